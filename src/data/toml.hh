#pragma once

#include <string_view>

#include "data/tree.hh"
#include "util/failure.hh"
#include "util/result.hh"

namespace perilune::data {

// TOML 1.0. Dates and times are texts as RFC 3339 writes them; numbers are doubles.
Result<Tree, Failure> parse_toml(std::string_view text);

}  // namespace perilune::data
