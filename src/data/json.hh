#pragma once

#include <string>
#include <string_view>

#include "data/tree.hh"
#include "util/failure.hh"
#include "util/result.hh"

namespace perilune::data {

// JSON (RFC 8259). Numbers are doubles: whole ones beyond 2^53 lose digits.
Result<Tree, Failure> parse_json(std::string_view text);

// Without blanks; the keys of maps sorted, whole numbers without a point. Fails on texts that are
// not UTF-8 and on numbers that JSON does not have.
Result<std::string, Failure> dump_json(const Tree& tree);

}  // namespace perilune::data
