#include "script/jwt.hh"

#include "../auth/test_keys.hh"
#include "auth/rsa_key.hh"
#include "data/json.hh"
#include "support/catch.hh"
#include "told.hh"

namespace perilune::script {

using test::caught;
using test::contains;
using test::told;

namespace {

constexpr double kNow = 1'700'000'000;

const std::string kSecret = "a secret that is no 32 bytes long, and no PEM";

data::Tree tree(std::string_view json) { return *data::parse_json(json); }

std::string signed_with(std::string_view key, std::string_view header, std::string_view payload) {
  const auto token = sign_token(key, std::get<data::Tree::Map>(tree(header).what), tree(payload));
  return token ? *token : "error: " + token.error().message;
}

std::string hs256(std::string_view payload) {
  return signed_with(kSecret, R"({"alg":"HS256"})", payload);
}

// The payload as JSON, or what is wrong.
std::string verified(std::string_view token, std::string_view key, const TokenRules& rules = {}) {
  const auto read = verify_token(token, key, rules, kNow);
  return read ? *data::dump_json(read->payload) : read.error().message;
}

// A token of these parts that is rightly signed with kSecret.
std::string forged(std::string_view header, std::string_view payload) {
  const std::string text =
      auth::base64url(as_bytes(header)) + "." + auth::base64url(as_bytes(payload));
  const auto signature = auth::jws_sign(auth::JwsAlgorithm::Hs256, kSecret, as_bytes(text));
  return text + "." + auth::base64url(*signature);
}

}  // namespace

TEST_CASE("script jwt: what is signed can be verified", "[script]") {
  CHECK(verified(hs256(R"({"sub":"anna","n":[1,2.5]})"), kSecret) ==
        R"({"n":[1,2.5],"sub":"anna"})");
  const std::string secret = perilune::test::rsa_private_pem(2048);
  const std::string key{auth::RsaKey::from_pem(secret)->public_pem()};
  CHECK(verified(signed_with(secret, R"({"alg":"RS256"})", "{}"), key) == "{}");
  CHECK(told(R"(local pk, sk = sodium.crypto_sign_keypair()
                local token = jwt.sign(sk, {kid = 'k'}, {sub = 'anna'})
                local payload, header = jwt.verify(token, pk)
                assert(not token:find('[^%w_%-.]'))
                return json.dump(payload) .. json.dump(header))") ==
        R"({"sub":"anna"}{"alg":"EdDSA","kid":"k","typ":"JWT"})");
  CHECK(told("return jwt.sign('secret', {alg = 'HS256'}, {a = 1})") ==
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhIjoxfQ."
        "57TF7smP9XDhIexBqPC-F1toZReYZLWb_YRU5tv0sxM");
}

TEST_CASE("script jwt: what was changed is refused", "[script]") {
  const std::string token = hs256(R"({"sub":"anna"})");
  CHECK(verified(token, "another secret, as long as one likes") == "the signature is wrong");
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string other = token;
    other[i] = other[i] == 'A' ? 'B' : 'A';
    CHECK(verified(other, kSecret) != R"({"sub":"anna"})");
  }
  for (std::size_t i = 0; i < token.size(); ++i) {
    CHECK_FALSE(verify_token(token.substr(0, i), kSecret, {}, kNow));
  }
  CHECK(verified(token + ".", kSecret) == "this is no token");
  CHECK(verified(token + "=", kSecret) == "the signature is no Base64");
}

TEST_CASE("script jwt: the key says the algorithm, not the token", "[script]") {
  const std::string none = "eyJhbGciOiJub25lIn0.e30.";
  CHECK(verified(none, kSecret) == "the token's alg is not that of the key");
  CHECK(verified(none, std::string(32, 'k')) == "the token's alg is not that of the key");
  const std::string secret = perilune::test::rsa_private_pem(2048);
  const std::string key{auth::RsaKey::from_pem(secret)->public_pem()};
  CHECK(signed_with(key, R"({"alg":"HS256"})", "{}") == "error: the key is not for HS256");
  CHECK(verified(hs256("{}"), key) == "the token's alg is not that of the key");
  TokenRules rules;
  rules.algorithm = auth::JwsAlgorithm::Hs256;
  CHECK(verified(hs256("{}"), key, rules) == "the key is not for HS256");
  // 32 bytes are a public key of Ed25519, unless the script says that they are a secret.
  const std::string short_key(32, 'k');
  const std::string token = signed_with(short_key, R"({"alg":"HS256"})", "{}");
  CHECK(verified(token, short_key) == "the token's alg is not that of the key");
  CHECK(verified(token, short_key, rules) == "{}");
}

TEST_CASE("script jwt: headers and payloads that are none", "[script]") {
  const std::string good = R"({"alg":"HS256"})";
  CHECK(verified(forged(good, "{}"), kSecret) == "{}");
  CHECK(verified(forged("{}", "{}"), kSecret) == "the header has no alg");
  CHECK(verified(forged(R"({"alg":["HS256"]})", "{}"), kSecret) == "the header has no alg");
  CHECK(verified(forged(R"({"alg":"HS256","crit":["b64"],"b64":false})", "{}"), kSecret) ==
        "the header has a crit");
  CHECK(verified(forged("[]", "{}"), kSecret) == "the header is no JSON object");
  CHECK(verified(forged(good, "[]"), kSecret) == "the payload is no JSON object");
  CHECK(verified(forged(good, "{"), kSecret) == "the payload is no JSON object");
  CHECK(verified("..", kSecret) == "the header is no JSON object");
  CHECK(verified("", kSecret) == "this is no token");
  CHECK(verified(forged(good, "{}"), "") == "the key is empty");
}

TEST_CASE("script jwt: times", "[script]") {
  const auto claim = [](const char* name, double offset) {
    return hs256("{\"" + std::string(name) + "\":" + std::to_string(kNow + offset) + "}");
  };
  CHECK(verified(claim("exp", 1), kSecret).starts_with("{"));
  CHECK(verified(claim("exp", 0), kSecret) == "the token has expired");
  CHECK(verified(claim("nbf", 0), kSecret).starts_with("{"));
  CHECK(verified(claim("nbf", 1), kSecret) == "the token is not valid yet");
  CHECK(verified(hs256(R"({"exp":"never"})"), kSecret) == "a time of the token is no number");
  TokenRules rules;
  rules.leeway = 10;
  CHECK(verified(claim("exp", -9), kSecret, rules).starts_with("{"));
  CHECK(verified(claim("exp", -10), kSecret, rules) == "the token has expired");
  CHECK(verified(claim("nbf", 10), kSecret, rules).starts_with("{"));
}

TEST_CASE("script jwt: issuer and audience", "[script]") {
  TokenRules rules;
  rules.issuer = "us";
  CHECK(verified(hs256(R"({"iss":"us"})"), kSecret, rules).starts_with("{"));
  CHECK(verified(hs256(R"({"iss":"them"})"), kSecret, rules) == "the token has another issuer");
  CHECK(verified(hs256("{}"), kSecret, rules) == "the token has another issuer");
  rules = {};
  rules.audience = "us";
  CHECK(verified(hs256(R"({"aud":"us"})"), kSecret, rules).starts_with("{"));
  CHECK(verified(hs256(R"({"aud":["them","us"]})"), kSecret, rules).starts_with("{"));
  for (const char* payload : {"{}", R"({"aud":"them"})", R"({"aud":["them"]})", R"({"aud":1})"}) {
    CHECK(verified(hs256(payload), kSecret, rules) == "the token is for another audience");
  }
}

TEST_CASE("script jwt: mistakes in calls", "[script]") {
  CHECK(caught("jwt.sign(('k'):rep(32), {}, {})").ends_with("jwt.sign: the key is not for EdDSA"));
  CHECK(caught("jwt.sign('k', {alg = 'none'}, {})")
            .ends_with("jwt.sign: alg must be 'EdDSA', 'HS256' or 'RS256'"));
  CHECK(contains(caught("jwt.sign('k', 'h', {})"), "table expected, got string"));
  CHECK(contains(caught("jwt.sign('k', {}, {1})"), "a table with names expected, got a list"));
  CHECK(contains(caught("jwt.sign('k', {})"), "3 arguments expected, got 2"));
  CHECK(contains(caught("jwt.verify('t', 'k', {alg = 'none'})"), "bad 'alg' value"));
  CHECK(contains(caught("jwt.verify('t', 'k', {algorithm = 'HS256'})"), "unknown option"));
  CHECK(told("return select(2, jwt.verify('t', 'k'))") == "this is no token");
}

}  // namespace perilune::script
