// Our side of MariaDB's own methods and of sha256_password towards a server.

#include "auth/ed25519.hh"
#include "auth/mysql_clear.hh"
#include "auth/mysql_methods.hh"
#include "auth/mysql_parsec.hh"
#include "auth/mysql_rsa.hh"
#include "support/catch.hh"
#include "vectors.hh"

using namespace perilune;
using namespace perilune::auth;
using namespace perilune::test;

namespace {

const Buffer kMysqlChallenge = from_hex("0a2f4a6f4b492230584c724a250d035052021715 00");
const Buffer kMariadbChallenge = Buffer(32, std::byte{'A'});

Credentials with_password(std::string_view password) {
  Credentials credentials;
  credentials.password = Secret(password);
  return credentials;
}

std::unique_ptr<MysqlLogin> login_with(std::string_view plugin, std::string_view password,
                                       Transport transport = Transport::Plain) {
  return make_mysql_login(plugin, with_password(password), transport);
}

// 'P', factor 0 and 18 times 0xA5.
Buffer salt_packet() { return from_hex("5000 a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5"); }

}  // namespace

TEST_CASE("client_ed25519: the answer is the published signature", "[auth][mysql]") {
  const auto login = login_with("client_ed25519", "foobar");
  const auto answer = login->begin(kMariadbChallenge);
  REQUIRE(answer);
  CHECK(*answer == from_hex("e83dc93f433f33355649ee23aa7592d61a1123090884f58d3063423a24e43054"
                            "73febba858a2f93923554feea76a44753887ab2f140e854f0fe57ca0b0648a0e"));
  CHECK_FALSE(login->next(from_hex("00")));
}

TEST_CASE("mariadb methods: a challenge has 32 bytes", "[auth][mysql]") {
  for (const std::string_view plugin : {"client_ed25519", "parsec"}) {
    for (const std::size_t size : {0, 1, 20, 21, 31, 33}) {
      const auto refused = login_with(plugin, "x")->begin(Buffer(size));
      REQUIRE_FALSE(refused);
      CHECK(refused.error().message ==
            "the server's challenge does not have 32 bytes, but " + std::to_string(size));
    }
  }
}

TEST_CASE("mariadb methods: the error names the secret that is missing", "[auth][mysql]") {
  Credentials credentials;
  credentials.password_sha1 = Secret(Bytes(sha1(as_bytes("secret"))));
  const auto error = [&](std::string_view plugin, Bytes challenge) {
    const auto answer = make_mysql_login(plugin, credentials, Transport::Tls)->begin(challenge);
    REQUIRE_FALSE(answer);
    return answer.error().message;
  };
  const std::string needs = " needs the clear password, only password_sha1 is known";
  CHECK(error("client_ed25519", kMariadbChallenge) == "client_ed25519" + needs);
  CHECK(error("parsec", kMariadbChallenge) == "parsec" + needs);
  CHECK(error("sha256_password", kMysqlChallenge) == "sha256_password" + needs);
}

TEST_CASE("parsec: asks for the salt, then signs both scrambles", "[auth][mysql]") {
  const auto login = login_with("parsec", "secret");
  const auto request = login->begin(kMariadbChallenge);
  REQUIRE(request);
  CHECK(request->empty());
  const auto answer = login->next(salt_packet());
  REQUIRE(answer);
  REQUIRE(answer->has_value());
  REQUIRE((*answer)->size() == 96);
  const Bytes whole(**answer);
  // hashlib.pbkdf2_hmac("sha512", b"secret", b"\xa5" * 18, 1024, 32)
  const Buffer secret =
      from_hex("e551aedfaa4055b517b0b9f958a7b0c671fd778457db32fde13a1bebfb28d117");
  Buffer both = kMariadbChallenge;
  append(both, whole.first(32));
  CHECK(ed25519_verify(ed25519_public_key(secret), both, whole.subspan(32)));
  CHECK_FALSE(login->next(salt_packet()));
}

TEST_CASE("parsec: never the same answer twice", "[auth][mysql]") {
  const auto answer = [] {
    const auto login = login_with("parsec", "secret");
    CHECK(login->begin(kMariadbChallenge));
    return **login->next(salt_packet());
  };
  CHECK(answer() != answer());
}

TEST_CASE("parsec: a salt of another form is an error", "[auth][mysql]") {
  const auto next = [](Bytes body) {
    const auto login = login_with("parsec", "secret");
    CHECK(login->begin(kMariadbChallenge));
    return login->next(body);
  };
  const Buffer whole = salt_packet();
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK_FALSE(next(Bytes(whole).first(n)));
  Buffer other = whole;
  other.push_back(std::byte{0});
  CHECK_FALSE(next(other));
  other = whole;
  other[0] = std::byte{'Q'};
  CHECK_FALSE(next(other));
  for (const int factor : {9, 10, 21, 31, 255}) {
    other = whole;
    other[1] = static_cast<std::byte>(factor);
    const auto refused = next(other);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message == "the server's parsec salt asks for too many iterations");
  }
  CHECK_FALSE(login_with("parsec", "secret")->next(whole));
}

TEST_CASE("sha256_password: clear over TLS only", "[auth][mysql]") {
  const auto over_tls = login_with("sha256_password", "secret", Transport::Tls);
  const auto answer = over_tls->begin(kMysqlChallenge);
  REQUIRE(answer);
  CHECK(*answer == clear_answer(Secret(std::string_view("secret"))));
  CHECK_FALSE(over_tls->next(from_hex("01")));
  for (const Transport transport : {Transport::Plain, Transport::Unix}) {
    const auto login = login_with("sha256_password", "secret", transport);
    const auto request = login->begin(kMysqlChallenge);
    REQUIRE(request);
    CHECK(*request == from_hex("01"));
    CHECK_FALSE(login->next(as_bytes("no key")));
  }
}

TEST_CASE("sha256_password: encrypts with the server's key", "[auth][mysql]") {
  const RsaKey key = RsaKey::generate();
  const auto login = login_with("sha256_password", "secret");
  CHECK(login->begin(kMysqlChallenge));
  const auto answer = login->next(as_bytes(key.public_pem()));
  REQUIRE(answer);
  REQUIRE(answer->has_value());
  const auto scramble = array_of<MysqlScramble>(Bytes(kMysqlChallenge).first(20));
  const auto password = decrypt_password(**answer, scramble, key);
  REQUIRE(password);
  CHECK(password->equals(Secret(std::string_view("secret"))));
  CHECK_FALSE(login->next(as_bytes(key.public_pem())));
}

TEST_CASE("sha256_password: an account without a password answers with no bytes", "[auth][mysql]") {
  for (const Transport transport : {Transport::Plain, Transport::Tls}) {
    const auto answer = login_with("sha256_password", "", transport)->begin(kMysqlChallenge);
    REQUIRE(answer);
    CHECK(answer->empty());
  }
}
