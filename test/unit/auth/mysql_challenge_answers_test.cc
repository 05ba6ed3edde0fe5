// Answers that our own client does not send: of other clients, of broken ones, of attackers.

#include "auth/mysql_caching_sha2.hh"
#include "auth/mysql_clear.hh"
#include "auth/mysql_methods.hh"
#include "auth/mysql_rsa.hh"
#include "exchange.hh"
#include "support/catch.hh"
#include "vectors.hh"

using namespace perilune;
using namespace perilune::auth;
using namespace perilune::test;

using Verdict = MysqlChallenge::Verdict;

namespace {

constexpr std::string_view kPassword = "foobar";

MysqlVerifier clear(std::string_view password) { return ClearPassword{Secret(password)}; }

Buffer fast_answer(std::string_view password) {
  return buffer_of(caching_sha2_answer(Secret(password), kScramble));
}

Verdict verdict_on(MysqlChallenge& challenge, Bytes answer) {
  const auto step = challenge.judge(answer);
  REQUIRE(step);
  return step->verdict;
}

// A caching_sha2 challenge that waits for the password.
std::unique_ptr<MysqlChallenge> in_full_exchange(Transport transport,
                                                 const MysqlVerifier& verifier = AnyPassword()) {
  auto challenge = challenge_of({"caching_sha2_password", transport}, verifier);
  const auto step = challenge->judge(fast_answer("something else"));
  REQUIRE(step);
  CHECK(step->more_data == from_hex("04"));
  return challenge;
}

std::vector<Buffer> answers_of_the_client(Method method) {
  Credentials credentials;
  credentials.password = Secret(kPassword);
  const auto login = make_mysql_login(method.plugin, credentials, method.transport);
  const auto challenge = challenge_of(method, Nobody());
  std::vector<Buffer> answers{*login->begin(challenge->challenge())};
  for (;;) {
    const auto step = challenge->judge(answers.back());
    if (step->verdict != Verdict::AsksMore) return answers;
    answers.push_back(**login->next(*step->more_data));
  }
}

// The challenge after the answers before the `at`th.
std::unique_ptr<MysqlChallenge> challenge_at(Method method, const std::vector<Buffer>& answers,
                                             std::size_t at) {
  auto challenge = challenge_of(method, Nobody());
  for (std::size_t i = 0; i < at; ++i) CHECK(challenge->judge(answers[i]));
  return challenge;
}

bool is_wrong(const Result<MysqlChallenge::Step, AuthError>& step) {
  return !step || step->verdict == Verdict::Refused;
}

}  // namespace

TEST_CASE("mysql challenge: no truncation and no extension of an answer gets in", "[auth][mysql]") {
  for (const Transport transport : {Transport::Plain, Transport::Tls}) {
    for (const std::string_view plugin : mysql_plugins_for(Nobody(), transport)) {
      const Method method{plugin, transport};
      const auto answers = answers_of_the_client(method);
      for (std::size_t at = 0; at < answers.size(); ++at) {
        CAPTURE(plugin, at);
        Buffer longer = answers[at];
        longer.push_back(std::byte{'x'});
        CHECK(is_wrong(challenge_at(method, answers, at)->judge(longer)));
        for (std::size_t n = 0; n < answers[at].size(); n += 1 + n / 8) {
          // An empty answer to parsec asks for the salt.
          if (plugin == "parsec" && at == 0 && n == 0) continue;
          CHECK(is_wrong(challenge_at(method, answers, at)->judge(Bytes(answers[at]).first(n))));
        }
      }
    }
  }
}

TEST_CASE("mysql challenge: nothing is judged after a verdict or an error", "[auth][mysql]") {
  for (const std::string_view plugin : mysql_plugins_for(clear(kPassword), Transport::Tls)) {
    CAPTURE(plugin);
    const Method method{plugin, Transport::Tls};
    const auto answers = answers_of_the_client(method);
    const auto refused = challenge_at(method, answers, answers.size());
    CHECK_FALSE(refused->judge(answers.back()));
    CHECK_FALSE(refused->judge({}));
    const auto confused = challenge_of(method, clear(kPassword));
    CHECK(is_wrong(confused->judge(Buffer(9000, std::byte{1}))));
    CHECK_FALSE(confused->judge(answers.front()));
  }
}

TEST_CASE("mysql challenge: no account with a password lets an empty answer in", "[auth][mysql]") {
  for (const std::string_view plugin : mysql_plugins_for(clear(kPassword), Transport::Tls)) {
    CAPTURE(plugin);
    for (const Buffer& nothing : {Buffer(), Buffer(1)}) {
      const auto challenge = challenge_of({plugin, Transport::Tls}, clear(kPassword));
      const auto step = challenge->judge(nothing);
      CHECK((!step || step->verdict != Verdict::Accepted));
    }
  }
}

TEST_CASE("mysql challenge: clients say in two ways that they have no password", "[auth][mysql]") {
  for (const std::string_view plugin : {"caching_sha2_password", "sha256_password"}) {
    for (const Buffer& nothing : {Buffer(), Buffer(1)}) {
      CHECK(verdict_on(*challenge_of({plugin, Transport::Tls}, clear("")), nothing) ==
            Verdict::Accepted);
      CHECK(verdict_on(*challenge_of({plugin, Transport::Tls}, AnyPassword()), nothing) ==
            Verdict::Accepted);
    }
  }
}

TEST_CASE("caching_sha2_password: a password in clear over a plain connection is told",
          "[auth][mysql]") {
  const auto plain = in_full_exchange(Transport::Plain);
  CHECK_FALSE(plain->came_in_clear());
  CHECK(verdict_on(*plain, clear_answer(Secret(kPassword))) == Verdict::Accepted);
  CHECK(plain->came_in_clear());
  CHECK(plain->take_learnt().password->equals(Secret(kPassword)));
  const auto tls = in_full_exchange(Transport::Tls);
  CHECK(verdict_on(*tls, clear_answer(Secret(kPassword))) == Verdict::Accepted);
  CHECK_FALSE(tls->came_in_clear());
}

TEST_CASE("mysql challenge: a refused password is there for another verifier", "[auth][mysql]") {
  const Buffer answer = clear_answer(Secret(kPassword));
  for (const Transport transport : {Transport::Plain, Transport::Tls}) {
    const auto full = in_full_exchange(transport, Nobody());
    CHECK(verdict_on(*full, answer) == Verdict::Refused);
    CHECK(full->take_offered()->equals(Secret(kPassword)));
    const auto text = challenge_of({"mysql_clear_password", transport}, clear("other"));
    CHECK(verdict_on(*text, answer) == Verdict::Refused);
    CHECK(text->take_offered()->equals(Secret(kPassword)));
  }
  const auto sha256 = challenge_of({"sha256_password", Transport::Tls}, clear("other"));
  CHECK(verdict_on(*sha256, answer) == Verdict::Refused);
  CHECK(sha256->take_offered()->equals(Secret(kPassword)));
  const auto none = challenge_of({"caching_sha2_password", Transport::Tls}, clear("other"));
  CHECK(verdict_on(*none, {}) == Verdict::Refused);
  CHECK(none->take_offered()->empty());
}

TEST_CASE("mysql challenge: what is no password and what was right is offered to nobody",
          "[auth][mysql]") {
  const auto right = in_full_exchange(Transport::Tls);
  CHECK(verdict_on(*right, clear_answer(Secret(kPassword))) == Verdict::Accepted);
  CHECK_FALSE(right->take_offered());
  const auto native = challenge_of({"mysql_native_password", Transport::Tls}, clear("other"));
  CHECK(verdict_on(*native, Buffer(20)) == Verdict::Refused);
  CHECK_FALSE(native->take_offered());
  const auto garbled = in_full_exchange(Transport::Plain, Nobody());
  CHECK(garbled->judge(Buffer{std::byte{2}}));
  CHECK(verdict_on(*garbled, Buffer(shared_rsa_key().cipher_size(), std::byte{1})) ==
        Verdict::Refused);
  CHECK_FALSE(garbled->take_offered());
}

TEST_CASE("caching_sha2_password: only a short text with one NUL at its end passes for clear",
          "[auth][mysql]") {
  for (const Buffer& bad :
       {Buffer(), from_hex("70 61 73 73"), from_hex("70 00 73 00"), from_hex("03"),
        Buffer(300, std::byte{'x'}), clear_answer(Secret(std::string(300, 'x')))}) {
    CHECK_FALSE(in_full_exchange(Transport::Plain)->judge(bad));
  }
  CHECK(verdict_on(*in_full_exchange(Transport::Tls),
                   clear_answer(Secret(std::string(300, 'x')))) == Verdict::Accepted);
  CHECK_FALSE(in_full_exchange(Transport::Tls)
                  ->judge(clear_answer(Secret(std::string(kMaxClearPassword + 1, 'x')))));
  // As long as a ciphertext, but nobody encrypts over TLS.
  CHECK(verdict_on(*in_full_exchange(Transport::Tls),
                   clear_answer(Secret(std::string(255, 'x')))) == Verdict::Accepted);
}

TEST_CASE("mysql challenge: a client with a key of its own encrypts without asking",
          "[auth][mysql]") {
  const auto cipher = encrypt_password(Secret(kPassword), kScramble, shared_rsa_key().public_pem());
  REQUIRE(cipher);
  CHECK(verdict_on(*in_full_exchange(Transport::Plain), *cipher) == Verdict::Accepted);
  const auto sha256 = challenge_of({"sha256_password", Transport::Unix}, clear(kPassword));
  CHECK(verdict_on(*sha256, *cipher) == Verdict::Accepted);
  const auto other_key =
      encrypt_password(Secret(kPassword), kScramble, RsaKey::generate().public_pem());
  REQUIRE(other_key);
  CHECK(verdict_on(*in_full_exchange(Transport::Plain), *other_key) == Verdict::Refused);
}

TEST_CASE("mysql challenge: the key is sent once, and then only a ciphertext follows",
          "[auth][mysql]") {
  const auto asked = [] {
    auto challenge = in_full_exchange(Transport::Plain);
    const auto step = challenge->judge(from_hex("02"));
    REQUIRE(step);
    CHECK(as_text(*step->more_data) == shared_rsa_key().public_pem());
    CHECK_FALSE(step->bare);
    return challenge;
  };
  CHECK_FALSE(asked()->judge(from_hex("02")));
  CHECK_FALSE(asked()->judge(clear_answer(Secret(kPassword))));
  CHECK_FALSE(asked()->judge({}));
  CHECK(verdict_on(*asked(), Buffer(256)) == Verdict::Refused);
  CHECK_FALSE(in_full_exchange(Transport::Plain)->judge(from_hex("01")));
}

TEST_CASE("mysql_clear_password: with or without the NUL", "[auth][mysql]") {
  const auto verdict = [](Bytes answer) {
    return verdict_on(*challenge_of({"mysql_clear_password", Transport::Tls}, clear(kPassword)),
                      answer);
  };
  CHECK(verdict(as_bytes("foobar")) == Verdict::Accepted);
  CHECK(verdict(clear_answer(Secret(kPassword))) == Verdict::Accepted);
  CHECK(verdict(as_bytes("fooba")) == Verdict::Refused);
  const auto challenge = challenge_of({"mysql_clear_password", Transport::Plain}, clear(kPassword));
  CHECK(verdict_on(*challenge, as_bytes("foobar")) == Verdict::Accepted);
  CHECK(challenge->came_in_clear());
}

TEST_CASE("parsec: a client that remembers the salt signs at once", "[auth][mysql]") {
  const Method method{"parsec", Transport::Plain};
  const MysqlVerifier verifier = clear(kPassword);
  const auto asked = challenge_of(method, verifier);
  const auto salt = decode_parsec_salt(*asked->judge({})->more_data);
  REQUIRE(salt);
  const auto challenge = challenge_of(method, verifier);
  const auto sign = [&](std::string_view password) {
    Buffer own(32, std::byte{'c'});
    Buffer both = challenge->challenge();
    append(both, own);
    const Secret secret = derive_parsec_secret(Secret(password), *salt);
    append(own, ed25519_sign(secret.bytes(), both));
    return own;
  };
  SECTION("and is right") { CHECK(verdict_on(*challenge, sign(kPassword)) == Verdict::Accepted); }
  SECTION("and gets the salt, as it may have changed, if that is wrong") {
    const auto step = challenge->judge(sign("foobaz"));
    REQUIRE(step);
    CHECK(step->verdict == Verdict::AsksMore);
    CHECK(step->more_data == encode_parsec_salt(*salt));
    CHECK(verdict_on(*challenge, sign(kPassword)) == Verdict::Accepted);
  }
  SECTION("and is wrong twice") {
    CHECK(verdict_on(*challenge, sign("foobaz")) == Verdict::AsksMore);
    CHECK(verdict_on(*challenge, sign("foobaz")) == Verdict::Refused);
  }
}
