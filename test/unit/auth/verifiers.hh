#pragma once

#include <sodium.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "auth/ed25519.hh"
#include "auth/mysql_verifier.hh"

namespace perilune::test {

// Made by a MySQL server for the password foobar: wescale, go/mysql/auth_server_mysql_base_test.go.
inline constexpr std::string_view kCachingSha2OfFoobar =
    "24412430303524031A69251C34295C4B35167C7F1E5A7B63091349503974624D34504B5A42467935485633686868"
    "6F52485A736E4A733368786E427575516C73446469496537";

inline std::string base64(Bytes bytes) {
  constexpr int kVariant = sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
  std::string text(sodium_base64_encoded_len(bytes.size(), kVariant), '\0');
  sodium_bin2base64(text.data(), text.size(), as_uchars(bytes), bytes.size(), kVariant);
  text.pop_back();
  return text;
}

// As MariaDB's server stores it, made as its hash_password() does.
inline std::string parsec_text(std::string_view password, std::uint8_t factor) {
  auth::ParsecSalt salt;
  salt.factor = factor;
  std::ranges::fill(salt.bytes, std::byte{0xA5});
  const auto secret = auth::derive_parsec_secret(auth::Secret(password), salt);
  return std::string("P") + static_cast<char>('0' + factor) + ':' + base64(salt.bytes) + ':' +
         base64(auth::ed25519_public_key(secret.bytes()));
}

}  // namespace perilune::test
