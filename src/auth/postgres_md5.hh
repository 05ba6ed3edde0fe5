#pragma once

// PostgreSQL's md5: the server stores MD5(password + user) as hexadecimal digits, and sends 4 bytes
// of salt; the answer is "md5" and MD5(those digits + salt) as digits. A user's new name makes the
// hash worthless. PostgreSQL, src/common/md5_common.c, pg_md5_encrypt().

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "auth/secret.hh"
#include "util/bytes.hh"

namespace perilune::auth {

inline constexpr std::size_t kMd5SaltSize = 4;
inline constexpr std::size_t kMd5Digits = 32;

// What is stored, without the "md5" before it: as good as the password.
Secret postgres_md5_hash(const Secret& password, std::string_view user);

// "md5" and 32 digits. `hash`: those digits of postgres_md5_hash().
std::string postgres_md5_answer(const Secret& hash, Bytes salt);

// Reads "md5…" with 32 digits, small letters, as PostgreSQL stores it. Null: not that.
std::optional<Secret> parse_postgres_md5(std::string_view text);

}  // namespace perilune::auth
