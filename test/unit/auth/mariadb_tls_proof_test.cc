#include "auth/mariadb_tls_proof.hh"

#include "exchange.hh"
#include "support/catch.hh"
#include "vectors.hh"
#include "verifiers.hh"

using namespace perilune;
using namespace perilune::auth;
using namespace perilune::test;

namespace {

const Sha256 kFingerprint = sha256(as_bytes("a certificate"));

// With Python's hashlib, as MariaDB Connector/C does:
//   h = sha1(sha1(b"secret").digest()).digest()
//   sha256(h + b"ABCDEFGHIJKLMNOPQRST" + sha256(b"a certificate").digest()).hexdigest().upper()
constexpr std::string_view kNativeProof =
    "\x01"
    "F67705759C102303CB981A7AC00D816F8035971F1EFEDB0E8DC47AE4F1C60740";
// With the key of "foobar" in MariaDB's plugin/auth_ed25519/ed25519-t.c for h.
constexpr std::string_view kEd25519Proof =
    "\x01"
    "AD251B791FD898EB52200E1580E56C8A72FAFD7B1DAF44B6A4AD5B70CC37F625";

std::optional<std::string> proof(std::string_view plugin, std::string_view verifier) {
  return mariadb_tls_proof(plugin, *parse_mysql_verifier(verifier), kScramble, kFingerprint);
}

}  // namespace

TEST_CASE("mariadb tls proof: by password and by what is stored of it", "[auth][mysql]") {
  CHECK(proof("mysql_native_password", "secret") == kNativeProof);
  CHECK(proof("mysql_native_password", "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7") ==
        kNativeProof);
  CHECK(proof("client_ed25519", "foobar") == kEd25519Proof);
  CHECK(proof("client_ed25519", base64(ed25519_public_key(as_bytes("foobar")))) == kEd25519Proof);
  const std::string parsec = parsec_text("secret", 1);
  Buffer hash = from_hex("5001 a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5");
  append(hash, std::get<ParsecHash>(*parse_mysql_verifier(parsec)).key);
  CHECK(proof("parsec", parsec) == mariadb_tls_proof(hash, kScramble, kFingerprint));
}

TEST_CASE("mariadb tls proof: none for other methods, verifiers and empty passwords",
          "[auth][mysql]") {
  for (const std::string_view plugin :
       {"caching_sha2_password", "sha256_password", "mysql_clear_password", "dialog", ""}) {
    CHECK_FALSE(proof(plugin, "secret"));
  }
  CHECK_FALSE(proof("mysql_native_password", ""));
  CHECK_FALSE(proof("client_ed25519", ""));
  CHECK_FALSE(proof("parsec", "secret"));
  CHECK_FALSE(proof("client_ed25519", "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7"));
  CHECK_FALSE(mariadb_tls_proof("mysql_native_password", Nobody(), kScramble, kFingerprint));
}

TEST_CASE("mariadb tls proof: an accepted challenge knows the hash", "[auth][mysql]") {
  const auto by_challenge = [](std::string_view plugin, std::string_view verifier) {
    const auto outcome =
        exchange({plugin, Transport::Tls}, *parse_mysql_verifier(verifier), "secret");
    REQUIRE(outcome.mariadb_hash);
    return mariadb_tls_proof(outcome.mariadb_hash->bytes(), kScramble, kFingerprint);
  };
  const std::string parsec = parsec_text("secret", 0);
  CHECK(by_challenge("mysql_native_password", "secret") == kNativeProof);
  CHECK(by_challenge("client_ed25519", "secret") == proof("client_ed25519", "secret"));
  CHECK(by_challenge("parsec", parsec) == proof("parsec", parsec));
  const auto from_clear =
      exchange({"parsec", Transport::Tls}, *parse_mysql_verifier("secret"), "secret");
  REQUIRE(from_clear.mariadb_hash);
  CHECK(from_clear.mariadb_hash->size() == 52);
}

TEST_CASE("mariadb tls proof: no hash before the password was right", "[auth][mysql]") {
  for (const std::string_view plugin :
       {"mysql_native_password", "client_ed25519", "parsec", "caching_sha2_password"}) {
    const auto challenge = challenge_of({plugin, Transport::Tls}, ClearPassword{});
    CHECK_FALSE(challenge->mariadb_password_hash());
    CHECK(challenge->judge({}));
    CHECK_FALSE(challenge->mariadb_password_hash());
  }
}
