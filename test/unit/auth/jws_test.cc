#include "auth/jws.hh"

#include "auth/rsa_key.hh"
#include "support/catch.hh"
#include "test_keys.hh"

namespace perilune::auth {

TEST_CASE("jws: algorithms by name", "[auth]") {
  CHECK(jws_algorithm_of("EdDSA") == JwsAlgorithm::EdDsa);
  CHECK(jws_algorithm_of("HS256") == JwsAlgorithm::Hs256);
  CHECK(jws_algorithm_of("RS256") == JwsAlgorithm::Rs256);
  for (const char* name : {"none", "None", "hs256", "", "ES256"})
    CHECK_FALSE(jws_algorithm_of(name));
  CHECK(name_of(JwsAlgorithm::Rs256) == "RS256");
}

TEST_CASE("jws: base64 for URLs", "[auth]") {
  CHECK(base64url(as_bytes("")).empty());
  CHECK(base64url(as_bytes("\xfb\xff")) == "-_8");
  CHECK(as_text(*from_base64url("-_8")) == "\xfb\xff");
  CHECK(from_base64url("")->empty());
  for (const char* text : {"-_8=", "+/8", "-_9", "A", "QQ Q", "QQ\n"})
    CHECK_FALSE(from_base64url(text));
}

// RFC 7515, A.1
TEST_CASE("jws: the RFC's example of HS256", "[auth]") {
  const auto key = from_base64url(
      "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
  const auto message = as_bytes(
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0"
      "dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ");
  const auto signature = jws_sign(JwsAlgorithm::Hs256, as_text(*key), message);
  REQUIRE(signature);
  CHECK(base64url(*signature) == "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
  CHECK(*jws_verify(JwsAlgorithm::Hs256, as_text(*key), message, *signature));
  CHECK_FALSE(*jws_verify(JwsAlgorithm::Hs256, "other", message, *signature));
  CHECK_FALSE(
      *jws_verify(JwsAlgorithm::Hs256, as_text(*key), message, Bytes(*signature).first(31)));
}

// RFC 8037, A.4
TEST_CASE("jws: the RFC's example of EdDSA", "[auth]") {
  const auto seed = from_base64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
  const auto key = from_base64url("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
  const auto message = as_bytes("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc");
  const std::string secret = std::string(as_text(*seed)) + std::string(as_text(*key));
  const auto signature = jws_sign(JwsAlgorithm::EdDsa, secret, message);
  REQUIRE(signature);
  CHECK(base64url(*signature) ==
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
  CHECK(*jws_verify(JwsAlgorithm::EdDsa, as_text(*key), message, *signature));
  CHECK_FALSE(*jws_verify(JwsAlgorithm::EdDsa, as_text(*key), as_bytes("x"), *signature));
  CHECK_FALSE(*jws_verify(JwsAlgorithm::EdDsa, as_text(*key), message, as_bytes("x")));
}

TEST_CASE("jws: RS256 with keys in PEM", "[auth]") {
  const std::string secret = test::rsa_private_pem(2048);
  const std::string key{RsaKey::from_pem(secret)->public_pem()};
  const auto signature = jws_sign(JwsAlgorithm::Rs256, secret, as_bytes("hello"));
  REQUIRE(signature);
  CHECK(*jws_algorithm_for(key) == JwsAlgorithm::Rs256);
  CHECK(*jws_verify(JwsAlgorithm::Rs256, key, as_bytes("hello"), *signature));
  CHECK_FALSE(*jws_verify(JwsAlgorithm::Rs256, key, as_bytes("hallo"), *signature));
  CHECK_FALSE(*jws_verify(JwsAlgorithm::Rs256, key, as_bytes("hello"), as_bytes("")));
  // Whoever has the public key must not be able to sign with it.
  CHECK_FALSE(jws_sign(JwsAlgorithm::Hs256, key, as_bytes("hello")));
  CHECK_FALSE(jws_verify(JwsAlgorithm::Hs256, key, as_bytes("hello"), *signature));
  CHECK_FALSE(jws_verify(JwsAlgorithm::EdDsa, key, as_bytes("hello"), *signature));
}

TEST_CASE("jws: keys in PEM that do not serve", "[auth]") {
  const auto sign = [](const std::string& pem) {
    return jws_sign(JwsAlgorithm::Rs256, pem, as_bytes("hello"));
  };
  CHECK_FALSE(sign(test::rsa_private_pem(1024)));
  CHECK_FALSE(sign(test::rsa_private_pem(2048, "passphrase")));
  CHECK_FALSE(sign(test::ed25519_private_pem()));
  CHECK(jws_sign(JwsAlgorithm::EdDsa, test::ed25519_private_pem(), as_bytes("x"))->size() == 64);
  CHECK(*jws_algorithm_for(test::ed25519_public_pem()) == JwsAlgorithm::EdDsa);
}

TEST_CASE("jws: a key is for one algorithm", "[auth]") {
  CHECK(*jws_algorithm_for(std::string(32, 'k')) == JwsAlgorithm::EdDsa);
  CHECK(*jws_algorithm_for("secret") == JwsAlgorithm::Hs256);
  CHECK_FALSE(jws_algorithm_for(""));
  CHECK_FALSE(jws_algorithm_for("-----BEGIN PUBLIC KEY-----\nrubbish\n-----END PUBLIC KEY-----\n"));
  const std::string pem = "-----BEGIN PUBLIC KEY-----\n";
  for (const auto algorithm : {JwsAlgorithm::EdDsa, JwsAlgorithm::Hs256, JwsAlgorithm::Rs256}) {
    CHECK_FALSE(jws_sign(algorithm, pem, as_bytes("x")));
    CHECK_FALSE(jws_verify(algorithm, pem, as_bytes("x"), as_bytes("y")));
  }
  CHECK(jws_verify(JwsAlgorithm::Rs256, "secret", as_bytes("x"), as_bytes("y")).error().message ==
        "the key is not for RS256");
  CHECK_FALSE(jws_sign(JwsAlgorithm::EdDsa, std::string(32, 'k'), as_bytes("x")));
  CHECK_FALSE(jws_verify(JwsAlgorithm::EdDsa, std::string(64, 'k'), as_bytes("x"), as_bytes("y")));
}

}  // namespace perilune::auth
