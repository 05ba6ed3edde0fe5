#pragma once

// data: what JSON, YAML and TOML have in common, and one file for each of them: text in, tree out.
// No Lua, no files, no meaning of any key.

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace perilune::data {

struct Member;

// A value with all that is below it. Nowhere deeper than kMaxDepth, so that recursion is safe.
struct Tree {
  using List = std::vector<Tree>;
  using Map = std::vector<Member>;  // in the text's order; of equal keys the last one counts

  std::variant<std::monostate, bool, double, std::string, List, Map> what;
  unsigned line = 0;  // where the text has it, from 1; 0: nobody knows
};

struct Member {
  std::string key;
  Tree value;
  unsigned line = 0;  // of the key
};

// Lists and maps within each other.
inline constexpr std::size_t kMaxDepth = 200;
inline constexpr const char* kTooDeep = "nested too deeply";

// The member that counts, or null.
inline const Tree* find(const Tree::Map& map, std::string_view key) noexcept {
  for (auto member = map.rbegin(); member != map.rend(); ++member) {
    if (member->key == key) return &member->value;
  }
  return nullptr;
}

}  // namespace perilune::data
