#include "auth/rsa_key.hh"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <thread>
#include <vector>

#include "auth/mysql_rsa.hh"
#include "support/catch.hh"
#include "test_keys.hh"
#include "vectors.hh"

using namespace perilune;
using namespace perilune::auth;
using namespace perilune::test;

namespace {

const auto kScramble = array_from_hex<MysqlScramble>("0102030405060708090a0b0c0d0e0f1011121314");
constexpr std::string_view kPassword = "a secret";

const RsaKey& key() {
  static const RsaKey made = RsaKey::generate();
  return made;
}

Buffer cipher_of(std::string_view password) {
  auto cipher = encrypt_password(Secret(password), kScramble, key().public_pem());
  REQUIRE(cipher);
  return *std::move(cipher);
}

}  // namespace

TEST_CASE("rsa key: decrypts what clients encrypt with its public half", "[auth][mysql]") {
  CHECK(key().public_pem().starts_with("-----BEGIN PUBLIC KEY-----"));
  CHECK(key().cipher_size() == 256);
  const auto password = decrypt_password(cipher_of(kPassword), kScramble, key());
  REQUIRE(password);
  CHECK(password->equals(Secret(kPassword)));
  const std::string longest(key().cipher_size() - 43, 'x');
  const auto whole = decrypt_password(cipher_of(longest), kScramble, key());
  REQUIRE(whole);
  CHECK(whole->equals(Secret(longest)));
}

TEST_CASE("rsa key: another cipher, key or scramble gives nothing", "[auth][mysql]") {
  const Buffer cipher = cipher_of(kPassword);
  for (std::size_t n = 0; n < cipher.size(); n += 15) {
    CHECK_FALSE(decrypt_password(Bytes(cipher).first(n), kScramble, key()));
    Buffer wrong = cipher;
    wrong[n] ^= std::byte{1};
    CHECK_FALSE(decrypt_password(wrong, kScramble, key()));
  }
  MysqlScramble other = kScramble;
  other[8] ^= std::byte{1};
  CHECK_FALSE(decrypt_password(cipher, other, key()));
  CHECK_FALSE(decrypt_password(cipher, kScramble, RsaKey::generate()));
  CHECK_FALSE(key().decrypt(Buffer(256)));
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE("rsa key: what is no private RSA key is refused and leaves no OpenSSL error", "[auth]") {
  for (const std::string& bad :
       {std::string(), std::string("garbage"), key().public_pem(), std::string(20'000, ' ')}) {
    CHECK_FALSE(RsaKey::from_pem(bad));
    CHECK(ERR_peek_error() == 0);
  }
}

TEST_CASE("rsa key: from a private key in PEM", "[auth]") {
  const auto from_file = RsaKey::from_pem(rsa_private_pem(2048));
  REQUIRE(from_file);
  const auto cipher = encrypt_password(Secret(kPassword), kScramble, from_file->public_pem());
  REQUIRE(cipher);
  CHECK(decrypt_password(*cipher, kScramble, *from_file));
  const auto message = [](std::string_view pem) { return RsaKey::from_pem(pem).error().message; };
  CHECK(message(rsa_private_pem(1024)) == "the RSA key has less than 2048 bits");
  CHECK(message(ed25519_private_pem()) == "the private key is not an RSA key");
  CHECK(message(rsa_private_pem(2048, "x")) ==
        "this is no private key in PEM, or it needs a passphrase");
}

TEST_CASE("rsa key: many threads decrypt with one key", "[auth]") {
  const Buffer cipher = cipher_of(kPassword);
  std::array<bool, 4> right{};
  std::vector<std::jthread> threads;
  for (bool& mine : right) {
    threads.emplace_back([&] {
      const auto password = decrypt_password(cipher, kScramble, key());
      mine = password && password->equals(Secret(kPassword));
    });
  }
  threads.clear();
  CHECK(std::ranges::all_of(right, [](bool mine) { return mine; }));
}
