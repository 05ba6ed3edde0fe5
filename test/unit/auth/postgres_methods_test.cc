#include "auth/postgres_methods.hh"

#include <array>
#include <string>
#include <vector>

#include "auth/postgres_md5.hh"
#include "support/catch.hh"
#include "support/hex.hh"

using namespace perilune;
using namespace perilune::test;
using namespace perilune::auth;
using Verdict = PostgresChallenge::Verdict;
using Method = PostgresMethod;

namespace {

constexpr std::array kAll = {Method::ClearText, Method::Md5Password, Method::ScramSha256,
                             Method::ScramSha256Plus};

PostgresCredentials by_password(std::string_view password) {
  PostgresCredentials credentials;
  credentials.password = Secret(password);
  return credentials;
}

PostgresVerifier clear(std::string_view password) { return ClearPassword{Secret(password)}; }

PostgresVerifier stored_scram(std::string_view password) {
  return make_scram_verifier(derive_scram_keys(Secret(password), as_bytes("salt of 16 bytes"), 10));
}

PostgresVerifier stored_md5(std::string_view password) {
  return PostgresMd5Hash{postgres_md5_hash(Secret(password), "anna")};
}

struct Outcome {
  Verdict verdict = Verdict::AsksMore;
  bool is_complete = false;
  PostgresCredentials learnt;
  std::string error;
};

// Our own client against our own challenge, over TLS without a certificate to bind to but for
// -PLUS.
class Pair {
 public:
  Outcome run(Method method, const PostgresCredentials& credentials,
              const PostgresVerifier& verifier) {
    const Bytes end_point = method == Method::ScramSha256Plus ? Bytes(end_point_) : Bytes();
    const auto challenge =
        make_postgres_challenge(method, {verifier, "anna", cache_, {}, end_point});
    REQUIRE(challenge);
    auto login =
        make_postgres_login(method, {credentials, "anna", Transport::Tls, cache_, {}, end_point});
    Outcome outcome;
    if (!login) {
      outcome.error = login.error().message;
      return outcome;
    }
    talk(**login, *challenge, outcome);
    outcome.is_complete = (*login)->is_complete();
    return outcome;
  }

  ScramKeyCache& cache() { return cache_; }

 private:
  void talk(PostgresLogin& login, PostgresChallenge& challenge, Outcome& outcome) {
    auto answer = login.begin(challenge.salt());
    REQUIRE(answer);
    Buffer words = *answer;
    while (outcome.verdict == Verdict::AsksMore) {
      const auto step = challenge.judge(words);
      REQUIRE(step);
      outcome.verdict = step->verdict;
      if (!step->data) continue;
      const auto next = login.next(*step->data);
      if (!next) {
        outcome.error = next.error().message;
        return;
      }
      words = next->value_or(Buffer());
    }
    CHECK_FALSE(challenge.judge(words));
    if (outcome.verdict == Verdict::Accepted) outcome.learnt = challenge.take_learnt();
  }

  ScramKeyCache cache_;
  Buffer end_point_ = from_hex("0102030405");
};

}  // namespace

TEST_CASE("postgres methods: right and wrong passwords by all", "[auth][postgres]") {
  Pair pair;
  for (const Method method : kAll) {
    CAPTURE(describe(method));
    const Outcome right = pair.run(method, by_password("pencil"), clear("pencil"));
    CHECK(right.verdict == Verdict::Accepted);
    CHECK(right.is_complete);
    REQUIRE(right.learnt.password);
    CHECK(as_text(right.learnt.password->bytes()) == "pencil");
    const Outcome wrong = pair.run(method, by_password("Pencil"), clear("pencil"));
    CHECK(wrong.verdict == Verdict::Refused);
    CHECK_FALSE(wrong.learnt.password);
  }
}

TEST_CASE("postgres methods: nobody is right", "[auth][postgres]") {
  Pair pair;
  for (const Method method : kAll) {
    CHECK(pair.run(method, by_password("pencil"), Nobody()).verdict == Verdict::Refused);
    CHECK(pair.run(method, by_password(""), Nobody()).verdict == Verdict::Refused);
  }
}

TEST_CASE("postgres methods: stored verifiers", "[auth][postgres]") {
  Pair pair;
  for (const Method method : {Method::ScramSha256, Method::ScramSha256Plus, Method::ClearText}) {
    CHECK(pair.run(method, by_password("pencil"), stored_scram("pencil")).verdict ==
          Verdict::Accepted);
    CHECK(pair.run(method, by_password("pen"), stored_scram("pencil")).verdict == Verdict::Refused);
  }
  for (const Method method : {Method::Md5Password, Method::ClearText}) {
    CHECK(pair.run(method, by_password("pencil"), stored_md5("pencil")).verdict ==
          Verdict::Accepted);
    CHECK(pair.run(method, by_password("pen"), stored_md5("pencil")).verdict == Verdict::Refused);
  }
}

TEST_CASE("postgres methods: which can judge by what", "[auth][postgres]") {
  ScramKeyCache cache;
  const auto can = [&](Method method, const PostgresVerifier& verifier, Bytes end_point = {}) {
    return make_postgres_challenge(method, {verifier, "anna", cache, {}, end_point}) != nullptr;
  };
  CHECK_FALSE(can(Method::Md5Password, stored_scram("x")));
  CHECK_FALSE(can(Method::ScramSha256, stored_md5("x")));
  CHECK_FALSE(can(Method::ScramSha256, AnyPassword()));
  CHECK_FALSE(can(Method::Md5Password, AnyPassword()));
  CHECK(can(Method::ClearText, AnyPassword()));
  CHECK_FALSE(can(Method::ScramSha256Plus, clear("x")));
  CHECK(can(Method::ScramSha256Plus, clear("x"), from_hex("00")));
  for (const PostgresVerifier& verifier :
       {clear("x"), stored_scram("x"), stored_md5("x"), PostgresVerifier(AnyPassword()),
        PostgresVerifier(Nobody())}) {
    for (const bool can_bind : {false, true}) {
      for (const Method method : postgres_methods_for(verifier, can_bind)) {
        CHECK(can(method, verifier, from_hex("00")));
        CHECK((can_bind || method != Method::ScramSha256Plus));
      }
    }
  }
}

TEST_CASE("postgres methods: what was learnt by SCRAM logs in", "[auth][postgres]") {
  Pair pair;
  const Outcome first =
      pair.run(Method::ScramSha256Plus, by_password("pencil"), stored_scram("pencil"));
  REQUIRE(first.learnt.scram);
  CHECK_FALSE(first.learnt.password);
  const Outcome second = pair.run(Method::ScramSha256, first.learnt, stored_scram("pencil"));
  CHECK(second.verdict == Verdict::Accepted);
  CHECK(second.is_complete);
  // Another salt: the keys are of no use.
  const Outcome other = pair.run(Method::ScramSha256, first.learnt, clear("pencil"));
  CHECK(other.error.find("is not the one") != std::string::npos);
  CHECK(pair.run(Method::Md5Password, first.learnt, clear("pencil")).error ==
        "md5 needs the password, only the keys of SCRAM are known");
}

TEST_CASE("postgres methods: what was learnt by md5 logs in", "[auth][postgres]") {
  Pair pair;
  const Outcome first = pair.run(Method::Md5Password, by_password("pencil"), stored_md5("pencil"));
  REQUIRE(first.learnt.md5_hash);
  CHECK(pair.run(Method::Md5Password, first.learnt, clear("pencil")).verdict == Verdict::Accepted);
  CHECK(pair.run(Method::ScramSha256, first.learnt, clear("pencil")).error ==
        "SCRAM-SHA-256 needs the password, only the hash of md5 is known");
  CHECK(pair.run(Method::ScramSha256, {}, clear("pencil")).error ==
        "SCRAM-SHA-256 needs the password, which is not known");
}

TEST_CASE("postgres methods: no clear password over a plain connection", "[auth][postgres]") {
  ScramKeyCache cache;
  const PostgresCredentials credentials = by_password("pencil");
  for (const Transport transport : {Transport::Plain, Transport::Unix, Transport::Tls}) {
    const auto login =
        make_postgres_login(Method::ClearText, {credentials, "anna", transport, cache});
    CHECK(bool(login) == (transport != Transport::Plain));
  }
}

TEST_CASE("postgres methods: a server that wants too much work", "[auth][postgres]") {
  ScramKeyCache cache;
  const PostgresCredentials credentials = by_password("pencil");
  const auto ask = [&](const char* iterations, ScramLimits limits = {}) {
    const auto login = make_postgres_login(Method::ScramSha256,
                                           {credentials, "anna", Transport::Plain, cache, limits});
    const Buffer first = *(*login)->begin({});
    const std::string nonce(as_text(first).substr(as_text(first).find("r=")));
    const auto next = (*login)->next(as_bytes(nonce + "x,s=c2FsdA==,i=" + iterations));
    return next ? "" : next.error().message;
  };
  CHECK(ask("2147483647").find("2147483647 times") != std::string::npos);
  CHECK(ask("100001") != "");
  CHECK(ask("1") == "");
  CHECK(ask("1", {4096, 100'000}) != "");
}

TEST_CASE("postgres methods: a server must prove itself", "[auth][postgres]") {
  ScramKeyCache cache;
  const PostgresCredentials credentials = by_password("pencil");
  const auto login =
      make_postgres_login(Method::ScramSha256, {credentials, "anna", Transport::Plain, cache});
  const Buffer first = *(*login)->begin({});
  CHECK_FALSE((*login)->is_complete());
  const std::string nonce(as_text(first).substr(as_text(first).find("r=")));
  REQUIRE((*login)->next(as_bytes(nonce + "x,s=c2FsdA==,i=1")));
  CHECK_FALSE((*login)->is_complete());
  CHECK_FALSE((*login)->next(as_bytes("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")));
  CHECK_FALSE((*login)->is_complete());
  CHECK_FALSE((*login)->next({}));
}

TEST_CASE("postgres methods: a made-up user looks stored", "[auth][postgres]") {
  ScramKeyCache cache;
  const auto question = [&](const PostgresVerifier& verifier, const char* user) {
    const auto challenge = make_postgres_challenge(Method::ScramSha256, {verifier, user, cache});
    const auto step = challenge->judge(as_bytes("n,,n=,r=abc"));
    REQUIRE(step);
    const std::string text(as_text(*step->data));
    return text.substr(text.find(",s="));
  };
  CHECK(question(Nobody(), "anna") == question(Nobody(), "anna"));
  CHECK(question(Nobody(), "anna") == question(clear("x"), "anna"));
  CHECK(question(Nobody(), "anna") != question(Nobody(), "bert"));
  CHECK(question(Nobody(), "anna").ends_with("==,i=4096"));
}

TEST_CASE("postgres methods: the mechanism of a list", "[auth][postgres]") {
  const std::vector<std::string_view> both = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"};
  const std::vector<std::string_view> others = {"OAUTHBEARER", "SCRAM-SHA-256"};
  CHECK(choose_sasl(both, true) == Method::ScramSha256Plus);
  CHECK(choose_sasl(both, false) == Method::ScramSha256);
  CHECK(choose_sasl(others, true) == Method::ScramSha256);
  CHECK_FALSE(choose_sasl(std::span(both).first(1), false));
  CHECK_FALSE(choose_sasl({}, true));

  const auto offered = postgres_methods_for(clear("x"), false);
  CHECK(chosen_sasl("SCRAM-SHA-256", offered) == Method::ScramSha256);
  CHECK_FALSE(chosen_sasl("SCRAM-SHA-256-PLUS", offered));
  CHECK_FALSE(chosen_sasl("", postgres_methods_for(AnyPassword(), false)));
  CHECK(sasl_name(Method::ClearText).empty());
}

TEST_CASE("postgres methods: no empty password in clear text", "[auth][postgres]") {
  Pair pair;
  CHECK(pair.run(Method::ClearText, by_password(""), clear("")).verdict == Verdict::Refused);
  CHECK(pair.run(Method::ClearText, by_password(""), AnyPassword()).verdict == Verdict::Refused);
}
