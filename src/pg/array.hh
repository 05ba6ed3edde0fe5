#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "util/failure.hh"
#include "util/result.hh"

namespace perilune::pg {

// {"a","b"}: each element in quotes.
std::string encode_array(const std::vector<std::string>& elements);

// One-dimensional arrays; NULL is the text "NULL", nothing at all an empty array.
Result<std::vector<std::string>, Failure> decode_array(std::string_view text);

}  // namespace perilune::pg
