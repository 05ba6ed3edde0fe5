#pragma once

#include <cstddef>
#include <string_view>

#include "data/tree.hh"
#include "util/failure.hh"
#include "util/result.hh"

namespace perilune::data {

// What a document may be once its aliases are expanded.
inline constexpr std::size_t kMaxYaml = 64 << 20;  // bytes

// One document of YAML 1.2, plain scalars by its core schema; keys are texts. Fails on several
// documents, and on what its aliases make too large.
Result<Tree, Failure> parse_yaml(std::string_view text);

}  // namespace perilune::data
