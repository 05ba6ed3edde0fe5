#include "auth/mysql_rsa.hh"

#include <openssl/err.h>

#include "support/catch.hh"
#include "test_keys.hh"
#include "vectors.hh"

using namespace perilune;
using namespace perilune::auth;
using namespace perilune::test;

namespace {

const auto kScramble = array_from_hex<MysqlScramble>("0102030405060708090a0b0c0d0e0f1011121314");

}  // namespace

TEST_CASE("encrypt_password: the server reads password and NUL XOR scramble", "[auth][mysql]") {
  const RsaKey key = RsaKey::generate();
  const auto cipher = encrypt_password(Secret(std::string_view("AAAAAAAAAAAAAAAAAAAAAAA")),
                                       kScramble, key.public_pem());
  REQUIRE(cipher);
  CHECK(cipher->size() == 256);
  // 'A' is 0x41; the scramble starts over at the 21st byte; the last is the NUL's.
  const auto plain = key.decrypt(*cipher);
  REQUIRE(plain);
  CHECK(buffer_of(plain->bytes()) ==
        from_hex("40 43 42 45 44 47 46 49 48 4b 4a 4d 4c 4f 4e 51 50 53 52 55 40 43 42 04"));
}

TEST_CASE("encrypt_password: never the same bytes twice", "[auth][mysql]") {
  const RsaKey key = RsaKey::generate();
  const Secret password(std::string_view("secret"));
  const auto first = encrypt_password(password, kScramble, key.public_pem());
  const auto second = encrypt_password(password, kScramble, key.public_pem());
  REQUIRE(first);
  REQUIRE(second);
  CHECK(*first != *second);
}

TEST_CASE("encrypt_password: the longest password that fits, and one more", "[auth][mysql]") {
  const RsaKey key = RsaKey::generate();
  const std::string longest(256 - 42 - 1, 'x');
  const auto fits = encrypt_password(Secret(longest), kScramble, key.public_pem());
  REQUIRE(fits);
  const auto plain = key.decrypt(*fits);
  REQUIRE(plain);
  CHECK(plain->size() == longest.size() + 1);
  const auto too_long = encrypt_password(Secret(longest + 'x'), kScramble, key.public_pem());
  REQUIRE_FALSE(too_long);
  CHECK(too_long.error().message == "the password is too long for the server's RSA key");
}

TEST_CASE("encrypt_password: what is no RSA key is refused and leaves no OpenSSL error",
          "[auth][mysql]") {
  const std::string good = RsaKey::generate().public_pem();
  for (const std::string& bad :
       {std::string(), std::string("garbage"), good.substr(0, good.size() / 2),
        ed25519_public_pem(), good + std::string(20'000, ' ')}) {
    CAPTURE(bad);
    const auto cipher = encrypt_password(Secret(std::string_view("secret")), kScramble, bad);
    REQUIRE_FALSE(cipher);
    CHECK(cipher.error().message == "the server did not send a usable RSA public key");
    CHECK(ERR_peek_error() == 0);
  }
}
