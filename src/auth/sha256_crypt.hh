#pragma once

// The hash of crypt(3)'s $5$ method, with salts of any length: MySQL's have 20 bytes of any value,
// where the C library reads 16 characters of text.
// https://www.akkadia.org/drepper/SHA-crypt.txt; MySQL server, mysys/crypt_genhash_impl.cc.

#include <array>
#include <cstddef>

#include "util/bytes.hh"

namespace perilune::auth {

inline constexpr std::size_t kSha256CryptSize = 43;
using Sha256Crypt = std::array<char, kSha256CryptSize>;

// Takes a few milliseconds for 5,000 rounds, and time by the square of the password's length: its
// caller bounds that.
Sha256Crypt sha256_crypt(Bytes password, Bytes salt, unsigned rounds);

}  // namespace perilune::auth
