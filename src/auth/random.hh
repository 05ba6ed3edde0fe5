#pragma once

#include <array>
#include <cstddef>

#include "util/bytes.hh"

namespace perilune::auth {

// The challenge of a MySQL greeting.
inline constexpr std::size_t kMysqlScrambleSize = 20;
using MysqlScramble = std::array<std::byte, kMysqlScrambleSize>;

// Random bytes in 1…127 without '$', as MySQL servers make them: clients read a scramble as a C
// string, and '$' separates the parts of stored caching_sha2 hashes.
MysqlScramble make_mysql_scramble();

// Bytes of the same kind, for methods whose challenge has another length.
void fill_scramble(MutableBytes scramble);

// Any bytes at all.
void fill_random(MutableBytes bytes);

}  // namespace perilune::auth
