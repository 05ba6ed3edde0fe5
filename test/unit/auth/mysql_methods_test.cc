#include "auth/mysql_methods.hh"

#include "auth/mysql_caching_sha2.hh"
#include "auth/mysql_clear.hh"
#include "auth/mysql_native.hh"
#include "auth/mysql_rsa.hh"
#include "support/catch.hh"
#include "vectors.hh"

using namespace perilune;
using namespace perilune::auth;
using namespace perilune::test;

namespace {

constexpr std::string_view kNative = "mysql_native_password";
constexpr std::string_view kCachingSha2 = "caching_sha2_password";
constexpr std::string_view kClear = "mysql_clear_password";
constexpr std::string_view kAll[] = {kNative, kCachingSha2, kClear};
constexpr Transport kTransports[] = {Transport::Plain, Transport::Unix, Transport::Tls};

const Buffer kChallenge = from_hex("0a2f4a6f4b492230584c724a250d035052021715 00");
const auto kScramble = array_of<MysqlScramble>(Bytes(kChallenge).first(20));
const Buffer kFullAuthentication = from_hex("04");

Credentials with_password(std::string_view password) {
  Credentials credentials;
  credentials.password = Secret(password);
  return credentials;
}

Credentials with_sha1(Bytes sha1) {
  Credentials credentials;
  credentials.password_sha1 = Secret(sha1);
  return credentials;
}

std::string begin_error(std::string_view plugin, const Credentials& credentials,
                        Transport transport = Transport::Tls) {
  const auto answer = make_mysql_login(plugin, credentials, transport)->begin(kChallenge);
  REQUIRE_FALSE(answer);
  return answer.error().message;
}

// A login that sent its fast answer.
std::unique_ptr<MysqlLogin> begun_caching_sha2(Transport transport) {
  auto login = make_mysql_login(kCachingSha2, with_password("secret"), transport);
  CHECK(login->begin(kChallenge));
  return login;
}

}  // namespace

TEST_CASE("mysql methods: an unknown plugin is none", "[auth][mysql]") {
  for (const char* name : {"", "mysql_old_password", "Mysql_native_password", "dialog"}) {
    CHECK(make_mysql_login(name, with_password("x"), Transport::Tls) == nullptr);
  }
}

TEST_CASE("mysql methods: an account without a password answers with no bytes", "[auth][mysql]") {
  for (const std::string_view plugin : kAll) {
    for (const Transport transport : kTransports) {
      CAPTURE(plugin);
      const auto answer = make_mysql_login(plugin, with_password(""), transport)->begin(kChallenge);
      REQUIRE(answer);
      CHECK(answer->empty());
    }
  }
}

TEST_CASE("mysql methods: native answers by password and by its SHA1 alike", "[auth][mysql]") {
  const Buffer expected = buffer_of(native_answer(Secret(std::string_view("secret")), kScramble));
  const Sha1 stage1 = sha1(as_bytes("secret"));
  for (const Transport transport : kTransports) {
    const auto by_password =
        make_mysql_login(kNative, with_password("secret"), transport)->begin(kChallenge);
    const auto by_sha1 = make_mysql_login(kNative, with_sha1(stage1), transport)->begin(kChallenge);
    REQUIRE(by_password);
    REQUIRE(by_sha1);
    CHECK(*by_password == expected);
    CHECK(*by_sha1 == expected);
  }
}

TEST_CASE("mysql methods: the login keeps its own copy of the secret", "[auth][mysql]") {
  auto credentials = std::make_unique<Credentials>(with_password("secret"));
  const auto login = make_mysql_login(kNative, *credentials, Transport::Plain);
  credentials.reset();
  const auto answer = login->begin(kChallenge);
  REQUIRE(answer);
  CHECK(*answer == buffer_of(native_answer(Secret(std::string_view("secret")), kScramble)));
}

TEST_CASE("mysql methods: a challenge has 20 bytes, or 21 with a NUL at the end", "[auth][mysql]") {
  for (const std::string_view plugin : {kNative, kCachingSha2}) {
    const auto begin = [&](Bytes challenge) {
      return make_mysql_login(plugin, with_password("secret"), Transport::Tls)->begin(challenge);
    };
    const auto with_nul = begin(kChallenge);
    const auto without = begin(Bytes(kChallenge).first(20));
    REQUIRE(with_nul);
    REQUIRE(without);
    CHECK(*with_nul == *without);
    for (const std::size_t size : {0, 1, 8, 19, 22, 32}) {
      const auto refused = begin(Buffer(size));
      REQUIRE_FALSE(refused);
      CHECK(refused.error().message ==
            "the server's challenge does not have 20 bytes, but " + std::to_string(size));
    }
    CHECK_FALSE(begin(Buffer(21, std::byte{1})));
  }
}

TEST_CASE("mysql methods: the error names the secret that is missing", "[auth][mysql]") {
  const Sha1 stage1 = sha1(as_bytes("secret"));
  CHECK(begin_error(kNative, {}) ==
        "mysql_native_password needs password or password_sha1, neither is known");
  CHECK(begin_error(kCachingSha2, {}) ==
        "caching_sha2_password needs the clear password, which is not known");
  CHECK(begin_error(kCachingSha2, with_sha1(stage1)) ==
        "caching_sha2_password needs the clear password, only password_sha1 is known");
  CHECK(begin_error(kClear, with_sha1(stage1)) ==
        "mysql_clear_password needs the clear password, only password_sha1 is known");
  CHECK(begin_error(kClear, {}) ==
        "mysql_clear_password needs the clear password, which is not known");
  CHECK(begin_error(kNative, with_sha1(Bytes(stage1).first(19))) ==
        "password_sha1 must have 20 bytes, not 19");
}

TEST_CASE("mysql methods: native and clear know no second round", "[auth][mysql]") {
  for (const std::string_view plugin : {kNative, kClear}) {
    const auto login = make_mysql_login(plugin, with_password("secret"), Transport::Tls);
    CHECK(login->begin(kChallenge));
    CHECK_FALSE(login->next(kFullAuthentication));
  }
}

TEST_CASE("mysql_clear_password: over TLS and unix sockets only", "[auth][mysql]") {
  for (const Transport transport : {Transport::Tls, Transport::Unix}) {
    const auto answer =
        make_mysql_login(kClear, with_password("secret"), transport)->begin(kChallenge);
    REQUIRE(answer);
    CHECK(*answer == clear_answer(Secret(std::string_view("secret"))));
  }
  const std::string refused = begin_error(kClear, with_password("secret"), Transport::Plain);
  CHECK(refused.find("needs TLS or a unix socket") != refused.npos);
  CHECK(refused.find("secret") == refused.npos);
}

TEST_CASE("caching_sha2_password: SHA256(password) answers the fast exchange only",
          "[auth][mysql]") {
  Credentials credentials;
  credentials.caching_sha2_stage1 = Secret(Bytes(sha256(as_bytes("secret"))));
  const auto login = make_mysql_login(kCachingSha2, credentials, Transport::Tls);
  const auto answer = login->begin(kChallenge);
  REQUIRE(answer);
  CHECK(*answer == from_hex("f490e76f66d9d86665ce54d98c78d0acfe2fb0b08b423da807144873d30b312c"));
  const auto full = login->next(kFullAuthentication);
  REQUIRE_FALSE(full);
  CHECK(full.error().message ==
        "caching_sha2_password needs the clear password, only its SHA256 is known");
  credentials.caching_sha2_stage1 = Secret(std::string_view("not 32 bytes"));
  CHECK_FALSE(make_mysql_login(kCachingSha2, credentials, Transport::Tls)->begin(kChallenge));
}

TEST_CASE("caching_sha2_password: fast answer, then nothing more to send", "[auth][mysql]") {
  const auto login = make_mysql_login(kCachingSha2, with_password("secret"), Transport::Plain);
  const auto answer = login->begin(kChallenge);
  REQUIRE(answer);
  CHECK(*answer == from_hex("f490e76f66d9d86665ce54d98c78d0acfe2fb0b08b423da807144873d30b312c"));
  const auto done = login->next(from_hex("03"));
  REQUIRE(done);
  CHECK_FALSE(done->has_value());
}

TEST_CASE("caching_sha2_password: full exchange in clear where nobody listens", "[auth][mysql]") {
  for (const Transport transport : {Transport::Tls, Transport::Unix}) {
    const auto login = begun_caching_sha2(transport);
    const auto answer = login->next(kFullAuthentication);
    REQUIRE(answer);
    REQUIRE(answer->has_value());
    CHECK(**answer == from_hex("73 65 63 72 65 74 00"));
    CHECK_FALSE(login->next(from_hex("03")));
  }
}

TEST_CASE("caching_sha2_password: full exchange by RSA over a plain connection", "[auth][mysql]") {
  const RsaKey key = RsaKey::generate();
  const auto login = begun_caching_sha2(Transport::Plain);
  const auto request = login->next(kFullAuthentication);
  REQUIRE(request);
  CHECK(*request == from_hex("02"));
  const auto answer = login->next(as_bytes(key.public_pem()));
  REQUIRE(answer);
  REQUIRE(answer->has_value());
  const auto password = decrypt_password(**answer, kScramble, key);
  REQUIRE(password);
  CHECK(password->equals(Secret(std::string_view("secret"))));
  CHECK_FALSE(login->next(from_hex("03")));
}

TEST_CASE("caching_sha2_password: never in clear over a plain connection", "[auth][mysql]") {
  for (const Buffer& key : {Buffer(), from_hex("04"), from_hex("03"), Buffer(500)}) {
    const auto login = begun_caching_sha2(Transport::Plain);
    CHECK(login->next(kFullAuthentication));
    const auto answer = login->next(key);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().message == "the server did not send a usable RSA public key");
  }
}

TEST_CASE("caching_sha2_password: data out of turn is an error", "[auth][mysql]") {
  for (const Buffer& data :
       {Buffer(), from_hex("02"), from_hex("05"), from_hex("0400"), from_hex("0303")}) {
    const auto login = begun_caching_sha2(Transport::Tls);
    CHECK_FALSE(login->next(data));
    CHECK_FALSE(login->next(kFullAuthentication));
  }
  SECTION("before the answer") {
    const auto login = make_mysql_login(kCachingSha2, with_password("secret"), Transport::Tls);
    CHECK_FALSE(login->next(kFullAuthentication));
  }
  SECTION("after an empty answer") {
    const auto login = make_mysql_login(kCachingSha2, with_password(""), Transport::Tls);
    CHECK(login->begin(kChallenge));
    CHECK_FALSE(login->next(kFullAuthentication));
  }
}
