#pragma once

#include <optional>
#include <string_view>

#include "auth/error.hh"
#include "auth/random.hh"
#include "auth/rsa_key.hh"
#include "auth/secret.hh"
#include "util/bytes.hh"
#include "util/result.hh"

namespace perilune::auth {

// How a clear password travels over a plain connection in caching_sha2_password (and in
// sha256_password): the password and its NUL, XORed with the scramble over and over, then RSA with
// OAEP and SHA1 under the server's public key.
Result<Buffer, AuthError> encrypt_password(const Secret& password, const MysqlScramble& scramble,
                                           std::string_view public_key_pem);

// The way back, on the server's side. Null: not encrypted with this key, or no proper text.
std::optional<Secret> decrypt_password(Bytes cipher, const MysqlScramble& scramble,
                                       const RsaKey& key);

}  // namespace perilune::auth
