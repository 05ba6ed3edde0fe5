#include "auth/scram.hh"

#include "support/catch.hh"
#include "support/hex.hh"

using namespace perilune;
using namespace perilune::test;
using namespace perilune::auth;

namespace {

constexpr std::uint32_t kFew = 3;

// RFC 7677, 3.
constexpr auto kClientFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr auto kServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr auto kClientFinal =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr auto kServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

Secret pencil() { return Secret(std::string_view("pencil")); }

ScramVerifier verifier_of(const Secret& password, std::uint32_t iterations = kFew) {
  return make_scram_verifier(derive_scram_keys(password, as_bytes("salt of 16 bytes"), iterations));
}

// A client's whole dialogue with a server, by a password; throws nothing.
struct Dialogue {
  ScramClient client;
  ScramServer server;

  // What goes wrong in words; "right" or "wrong" else.
  std::string run(const Secret& password) {
    const auto server_first = server.begin(client.first());
    if (!server_first) return server_first.error().message;
    const auto question = client.read(*server_first);
    if (!question) return question.error().message;
    const ScramKeys keys = derive_scram_keys(password, question->salt, question->iterations);
    const auto outcome = server.judge(client.prove(keys));
    if (!outcome) return outcome.error().message;
    if (!outcome->is_right) return "wrong";
    CHECK(outcome->client_key.equals(keys.client_key));
    return client.verify(outcome->server_final) ? "right" : "the server is false";
  }
};

ScramClient::Setup client_setup(ScramBinding binding, Bytes end_point = {}) {
  ScramClient::Setup setup;
  setup.binding = binding;
  setup.end_point = end_point;
  return setup;
}

std::string begin_error(std::string_view first, bool is_plus = false, Bytes end_point = {}) {
  const ScramVerifier verifier = verifier_of(pencil());
  ScramServer server({verifier, end_point, is_plus});
  const auto begun = server.begin(first);
  return begun ? "" : begun.error().message;
}

}  // namespace

TEST_CASE("scram: the client of RFC 7677", "[auth][postgres]") {
  ScramClient::Setup setup;
  setup.user = "user";
  setup.nonce = "rOprNGfwEbeRWgbNEkqO";
  ScramClient client(setup);
  CHECK(client.first() == kClientFirst);
  const auto question = client.read(kServerFirst);
  REQUIRE(question);
  CHECK(question->iterations == 4096);
  CHECK(client.prove(derive_scram_keys(pencil(), question->salt, question->iterations)) ==
        kClientFinal);
  CHECK(client.verify(kServerFinal));
  CHECK_FALSE(client.verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="));
  CHECK_FALSE(client.verify("e=other-error"));
  CHECK_FALSE(client.verify(std::string(kServerFinal) + ",x=y"));
  CHECK_FALSE(client.verify(""));
}

TEST_CASE("scram: the server of RFC 7677", "[auth][postgres]") {
  const auto verifier = parse_scram_verifier(
      "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
      ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
  REQUIRE(verifier);
  ScramServer server({*verifier, {}, false, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"});
  CHECK(*server.begin(kClientFirst) == kServerFirst);
  const auto outcome = server.judge(kClientFinal);
  REQUIRE(outcome);
  CHECK(outcome->is_right);
  CHECK(outcome->server_final == kServerFinal);
  CHECK(Buffer(outcome->client_key.bytes().begin(), outcome->client_key.bytes().end()) ==
        from_hex("a60fc923d67e8644a92d16b96eda5ef4656b0c725c484374be25535576996e8b"));
}

TEST_CASE("scram: what libpq and PostgreSQL 15 said", "[auth][postgres]") {
  constexpr auto kOurs = "CZwHQFpQRtqdZUREEkDk9mD1";
  constexpr auto kFirst =
      "r=CZwHQFpQRtqdZUREEkDk9mD1NDZGA9JyWdHj3Cwlqif1tuD4,s=6Kk0b49U264N30PkjlUDyQ==,i=4096";
  constexpr auto kFinal =
      "c=biws,r=CZwHQFpQRtqdZUREEkDk9mD1NDZGA9JyWdHj3Cwlqif1tuD4,"
      "p=rxmcEDIxgRg+u0snCfkmZFnPL3Wk1EElfAqdWXzBDyM=";
  ScramClient::Setup setup;
  setup.nonce = kOurs;
  ScramClient client(setup);
  const auto question = client.read(kFirst);
  REQUIRE(question);
  const ScramKeys keys = derive_scram_keys(pencil(), question->salt, question->iterations);
  CHECK(client.prove(keys) == kFinal);
  CHECK(client.verify("v=8hEEqByU7TrRUNrFaqynHscc10Mff1gQfWLw9ywrsas="));
  const ScramVerifier verifier = make_scram_verifier(keys);
  ScramServer server({verifier, {}, false, "NDZGA9JyWdHj3Cwlqif1tuD4"});
  CHECK(*server.begin(client.first()) == kFirst);
  CHECK(server.judge(kFinal)->is_right);
}

TEST_CASE("scram: client and server by every binding", "[auth][postgres]") {
  const ScramVerifier verifier = verifier_of(pencil());
  const Buffer end_point = from_hex("aa4d6a21b8e96277");
  const auto run = [&](ScramBinding binding, Bytes ours, Bytes theirs, bool is_plus) {
    Dialogue dialogue{ScramClient(client_setup(binding, ours)),
                      ScramServer({verifier, theirs, is_plus})};
    return dialogue.run(pencil());
  };
  CHECK(run(ScramBinding::None, {}, {}, false) == "right");
  CHECK(run(ScramBinding::None, {}, end_point, false) == "right");
  CHECK(run(ScramBinding::Unoffered, {}, {}, false) == "right");
  CHECK(run(ScramBinding::EndPoint, end_point, end_point, true) == "right");
  // Somebody took -PLUS off the list on its way.
  CHECK(run(ScramBinding::Unoffered, {}, end_point, false).find("was not told") !=
        std::string::npos);
  // Somebody ends one channel and begins another.
  CHECK(run(ScramBinding::EndPoint, from_hex("00"), end_point, true).find("another TLS channel") !=
        std::string::npos);
  CHECK(run(ScramBinding::EndPoint, end_point, end_point, false) != "right");
  CHECK(run(ScramBinding::None, {}, end_point, true) != "right");
  CHECK(run(ScramBinding::Unoffered, {}, end_point, true) != "right");
}

TEST_CASE("scram: a wrong password", "[auth][postgres]") {
  const ScramVerifier verifier = verifier_of(pencil());
  Dialogue dialogue{ScramClient(client_setup(ScramBinding::None)), ScramServer({verifier, {}})};
  CHECK(dialogue.run(Secret(std::string_view("pencil "))) == "wrong");
}

TEST_CASE("scram: nonces are fresh and clean", "[auth][postgres]") {
  const std::string nonce = make_scram_nonce();
  CHECK(nonce.size() == 24);
  CHECK(nonce != make_scram_nonce());
  CHECK(nonce.find(',') == nonce.npos);
}

TEST_CASE("scram: what a server must not say first", "[auth][postgres]") {
  ScramClient::Setup setup;
  setup.nonce = "abc";
  ScramClient client(setup);
  for (const char* first :
       {"", "r=abc", "r=abcd,s=c2FsdA==", "r=abc,s=c2FsdA==,i=1", "r=abd1,s=c2FsdA==,i=1",
        "r=abcd,s=,i=1", "r=abcd,s=c2FsdA=,i=1", "r=abcd,s=c2FsdA==,i=0", "r=abcd,s=c2FsdA==,i=-1",
        "r=abcd,s=c2FsdA==,i=2147483648", "r=abcd,s=c2FsdA==,i=1x", "r=abcd,s=c2FsdA==,i=1,x=y",
        "m=x,r=abcd,s=c2FsdA==,i=1", "s=c2FsdA==,r=abcd,i=1", "r=abc d,s=c2FsdA==,i=1"}) {
    CAPTURE(first);
    CHECK_FALSE(client.read(first));
  }
  CHECK(client.read("r=abcd,s=c2FsdA==,i=2147483647"));
}

TEST_CASE("scram: what a client must not say first", "[auth][postgres]") {
  CHECK(begin_error("n,,n=,r=abc") == "");
  CHECK(begin_error("n,,n=anna,r=abc,x=extension") == "");
  for (const char* first : {"", "n", "n,", "n,,", "n,,n=", "n,,r=abc", "n,,n=,r=", "n,,n=,r=a b",
                            "n,,m=x,n=,r=abc", "n,a=other,n=,r=abc", "x,,n=,r=abc", "N,,n=,r=abc",
                            "p=tls-server-end-point,,n=,r=abc", "p=,,n=,r=abc"}) {
    CAPTURE(first);
    CHECK(begin_error(first) != "");
  }
  const Buffer end_point = from_hex("00");
  CHECK(begin_error("p=tls-server-end-point,,n=,r=abc", true, end_point) == "");
  CHECK(begin_error("p=tls-unique,,n=,r=abc", true, end_point) != "");
  CHECK(begin_error("p=tls-server-end-point,a=x,n=,r=abc", true, end_point) != "");
}

TEST_CASE("scram: what a client must not say last", "[auth][postgres]") {
  const std::string proof = ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
  const ScramVerifier verifier = verifier_of(pencil());
  const auto judge = [&](const std::string& final) {
    ScramServer server({verifier, {}, false, "d"});
    (void)*server.begin("n,,n=,r=abc");
    return bool(server.judge(final));
  };
  CHECK(judge("c=biws,r=abcd" + proof));
  CHECK(judge("c=biws,r=abcd,x=y" + proof));
  for (const std::string& final :
       {std::string(), std::string("c=biws,r=abcd"), "c=biws,r=abc" + proof,
        "c=eSws,r=abcd" + proof, "r=abcd,c=biws" + proof, "c=biws,r=abcd" + proof + ",x=y",
        std::string("c=biws,r=abcd,p=AAAA"), "c=biws" + proof, proof}) {
    CAPTURE(final);
    CHECK_FALSE(judge(final));
  }
}

TEST_CASE("scram: a server judges once, and not before it has begun", "[auth][postgres]") {
  const ScramVerifier verifier = verifier_of(pencil());
  ScramServer server({verifier, {}, false, "d"});
  CHECK_FALSE(server.judge(kClientFinal));
  CHECK(server.begin("n,,n=,r=abc"));
  CHECK_FALSE(server.begin("n,,n=,r=abc"));
  const std::string final = "c=biws,r=abcd,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
  CHECK(server.judge(final));
  CHECK_FALSE(server.judge(final));
}
