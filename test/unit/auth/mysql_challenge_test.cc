#include "auth/mysql_challenge.hh"

#include <algorithm>

#include "auth/mysql_methods.hh"
#include "exchange.hh"
#include "support/catch.hh"
#include "vectors.hh"
#include "verifiers.hh"

using namespace perilune;
using namespace perilune::auth;
using namespace perilune::test;

using Verdict = MysqlChallenge::Verdict;

namespace {

constexpr std::string_view kPassword = "foobar";
constexpr std::string_view kWrong = "foobaz";
constexpr Transport kTransports[] = {Transport::Plain, Transport::Unix, Transport::Tls};
constexpr std::string_view kPlugins[] = {
    "caching_sha2_password", "client_ed25519", "mysql_clear_password",
    "mysql_native_password", "parsec",         "sha256_password"};

// Every kind that compares, for kPassword.
std::vector<MysqlVerifier> verifiers() {
  std::vector<MysqlVerifier> all;
  const std::string hash = "*9B500343BC52E2911172EB52AE5CF4847604C6E5";
  const std::string key = base64(ed25519_public_key(as_bytes(kPassword)));
  for (const std::string& text : {std::string(kPassword), hash, parsec_text(kPassword, 0), key,
                                  "0x" + std::string(kCachingSha2OfFoobar)}) {
    all.push_back(*parse_mysql_verifier(text));
  }
  return all;
}

bool names(std::span<const std::string_view> plugins, std::string_view plugin) {
  return std::ranges::find(plugins, plugin) != plugins.end();
}

}  // namespace

TEST_CASE("mysql challenge: our client against our server, every method, verifier and transport",
          "[auth][mysql]") {
  for (const MysqlVerifier& verifier : verifiers()) {
    for (const Transport transport : kTransports) {
      for (const std::string_view plugin : mysql_plugins_for(verifier, transport)) {
        CAPTURE(verifier.index(), static_cast<int>(transport), plugin);
        const Outcome right = exchange({plugin, transport}, verifier, kPassword);
        CHECK(right.verdict == Verdict::Accepted);
        CHECK_FALSE(right.came_in_clear);
        CHECK(exchange({plugin, transport}, verifier, kWrong).verdict == Verdict::Refused);
      }
    }
  }
}

TEST_CASE("mysql challenge: any password is learnt, of Nobody none is right", "[auth][mysql]") {
  for (const Transport transport : kTransports) {
    for (const std::string_view plugin : mysql_plugins_for(AnyPassword(), transport)) {
      const Outcome any = exchange({plugin, transport}, AnyPassword(), kPassword);
      CHECK(any.verdict == Verdict::Accepted);
      REQUIRE(any.learnt.password);
      CHECK(any.learnt.password->equals(Secret(kPassword)));
    }
    for (const std::string_view plugin : mysql_plugins_for(Nobody(), transport)) {
      CAPTURE(plugin);
      CHECK(exchange({plugin, transport}, Nobody(), kPassword).verdict == Verdict::Refused);
      CHECK(exchange({plugin, transport}, Nobody(), "").verdict == Verdict::Refused);
    }
  }
}

TEST_CASE("mysql challenge: a wrong password takes the rounds that an unknown user takes",
          "[auth][mysql]") {
  for (const MysqlVerifier& verifier : verifiers()) {
    for (const Transport transport : kTransports) {
      for (const std::string_view plugin : mysql_plugins_for(verifier, transport)) {
        CAPTURE(verifier.index(), static_cast<int>(transport), plugin);
        CHECK(exchange({plugin, transport}, verifier, kWrong).rounds ==
              exchange({plugin, transport}, Nobody(), kWrong).rounds);
        CHECK(exchange({plugin, transport}, verifier, "").rounds ==
              exchange({plugin, transport}, Nobody(), "").rounds);
      }
    }
  }
}

TEST_CASE("mysql challenge: an account without a password", "[auth][mysql]") {
  const MysqlVerifier none = ClearPassword{};
  for (const Transport transport : kTransports) {
    for (const std::string_view plugin : mysql_plugins_for(none, transport)) {
      CAPTURE(plugin);
      const Outcome outcome = exchange({plugin, transport}, none, "");
      CHECK(outcome.verdict == Verdict::Accepted);
      REQUIRE(outcome.learnt.password);
      CHECK(outcome.learnt.password->empty());
      CHECK(exchange({plugin, transport}, none, "x").verdict == Verdict::Refused);
    }
  }
}

TEST_CASE("mysql challenge: the list names what can judge, and nothing else can", "[auth][mysql]") {
  std::vector<MysqlVerifier> all = verifiers();
  all.emplace_back(AnyPassword());
  all.emplace_back(Nobody());
  for (const MysqlVerifier& verifier : all) {
    for (const std::string_view plugin : kPlugins) {
      CAPTURE(verifier.index(), plugin);
      const auto challenge =
          make_mysql_challenge(plugin, verifier, Transport::Tls, kScramble, &shared_rsa_key());
      CHECK((challenge != nullptr) == names(mysql_plugins_for(verifier, Transport::Tls), plugin));
      if (challenge) CHECK(challenge->plugin() == plugin);
    }
    CHECK_FALSE(names(mysql_plugins_for(verifier, Transport::Plain), "mysql_clear_password"));
  }
  CHECK(make_mysql_challenge("dialog", Nobody(), Transport::Tls, kScramble, nullptr) == nullptr);
}

TEST_CASE("mysql challenge: without an RSA key the password cannot be encrypted", "[auth][mysql]") {
  const auto can = [](std::string_view plugin, Transport transport) {
    return make_mysql_challenge(plugin, Nobody(), transport, kScramble, nullptr) != nullptr;
  };
  CHECK_FALSE(can("caching_sha2_password", Transport::Plain));
  CHECK(can("caching_sha2_password", Transport::Unix));
  CHECK_FALSE(can("sha256_password", Transport::Unix));
  CHECK(can("sha256_password", Transport::Tls));
}

TEST_CASE("mysql challenge: what the methods send first", "[auth][mysql]") {
  const auto challenge = [](std::string_view plugin) {
    return make_mysql_challenge(plugin, Nobody(), Transport::Tls, kScramble, nullptr)->challenge();
  };
  Buffer with_nul = buffer_of(kScramble);
  with_nul.push_back(std::byte{0});
  CHECK(challenge("mysql_native_password") == with_nul);
  CHECK(challenge("caching_sha2_password") == with_nul);
  CHECK(challenge("sha256_password") == with_nul);
  CHECK(challenge("mysql_clear_password").empty());
  for (const std::string_view plugin : {"client_ed25519", "parsec"}) {
    CHECK(challenge(plugin).size() == 32);
    CHECK(challenge(plugin) != challenge(plugin));
    CHECK(std::ranges::count(challenge(plugin), std::byte{0}) == 0);
  }
}

TEST_CASE("mysql challenge: what was learnt logs in by the same method", "[auth][mysql]") {
  const auto learnt = [](const MysqlVerifier& verifier, std::string_view plugin) {
    return exchange({plugin, Transport::Plain}, verifier, kPassword).learnt;
  };
  const Secret password(kPassword);
  const auto all = verifiers();
  for (const std::string_view plugin : mysql_plugins_for(all[0], Transport::Plain)) {
    CAPTURE(plugin);
    REQUIRE(learnt(all[0], plugin).password);
    CHECK(learnt(all[0], plugin).password->equals(password));
  }
  const Credentials native = learnt(all[1], "mysql_native_password");
  CHECK_FALSE(native.password);
  REQUIRE(native.password_sha1);
  CHECK(native.password_sha1->equals(Secret(Bytes(sha1(password.bytes())))));
  CHECK(learnt(all[4], "caching_sha2_password").password->equals(password));
  CHECK_FALSE(learnt(all[2], "parsec").password);
  CHECK_FALSE(learnt(all[3], "client_ed25519").password);
}

TEST_CASE("caching_sha2_password: a known double SHA256 makes a stored hash answer at once",
          "[auth][mysql]") {
  MysqlVerifier verifier = std::move(verifiers()[4]);
  const Method method{"caching_sha2_password", Transport::Plain};
  CHECK(exchange(method, verifier, kPassword).rounds == 3);
  std::get<CachingSha2Hash>(verifier).stage2 = sha256(sha256(as_bytes(kPassword)));
  const Outcome fast = exchange(method, verifier, kPassword);
  CHECK(fast.verdict == Verdict::Accepted);
  CHECK(fast.rounds == 1);
  CHECK_FALSE(fast.learnt.password);
  REQUIRE(fast.learnt.caching_sha2_stage1);
  CHECK(fast.learnt.caching_sha2_stage1->equals(Secret(Bytes(sha256(as_bytes(kPassword))))));
  CHECK(exchange(method, verifier, kWrong).rounds == 3);
}

TEST_CASE("parsec: a made-up salt stays with the user's name", "[auth][mysql]") {
  const auto salt = [](const MysqlVerifier& verifier, std::string_view user) {
    const auto challenge =
        make_mysql_challenge("parsec", verifier, Transport::Tls, kScramble, nullptr, user);
    const auto step = challenge->judge({});
    REQUIRE(step);
    CHECK(step->verdict == Verdict::AsksMore);
    CHECK(step->bare);
    return *step->more_data;
  };
  const auto all = verifiers();
  CHECK(salt(Nobody(), "ann") == salt(Nobody(), "ann"));
  CHECK(salt(all[0], "ann") == salt(Nobody(), "ann"));
  CHECK(salt(Nobody(), "ann") != salt(Nobody(), "bob"));
  CHECK(salt(all[2], "ann") == salt(all[2], "bob"));
  CHECK(salt(all[2], "ann") == from_hex("5000 a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5"));
}
