#include "script/schema.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cmath>
#include <utility>
#include <vector>

#include "util/parse.hh"
#include "util/suggest.hh"

namespace perilune::script {

using data::Member;
using data::Tree;

namespace {

const Key* find_key(std::span<const Key> keys, std::string_view name) {
  const auto found = std::ranges::find_if(
      keys, [wanted = plain(name)](const Key& key) { return plain(key.name) == wanted; });
  return found == keys.end() ? nullptr : &*found;
}

[[noreturn]] void fail_unknown(const Member& member, std::span<const Key> keys) {
  std::vector<std::string_view> names;
  for (const Key& key : keys) names.push_back(key.name);
  throw Mistake(member.line, unknown_name("key", member.key, names));
}

}  // namespace

std::string plain(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (c == '_' || c == '-') continue;
    text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return text;
}

Tree::Map read_map(const Tree& tree, std::string_view what, std::span<const Key> keys) {
  Tree::Map map;
  for (const Member& member : expect<Tree::Map>(tree, what, "a map")) {
    const Key* const key = find_key(keys, member.key);
    if (key == nullptr) fail_unknown(member, keys);
    if (find(map, key->target) != nullptr) {
      throw Mistake(member.line, fmt::format("'{}' is there twice", key->name));
    }
    Tree value{key->convert(member.value, key->name), member.value.line};
    map.push_back({std::string(key->target), std::move(value), member.line});
  }
  return map;
}

const Tree& require(const Tree::Map& map, std::string_view target, std::string_view name,
                    unsigned line) {
  const Tree* const value = find(map, target);
  if (value == nullptr) throw Mistake(line, fmt::format("'{}' is missing", name));
  return *value;
}

Tree::List list_of(const Tree& tree, std::string_view key, Convert convert) {
  const auto* const list = std::get_if<Tree::List>(&tree.what);
  Tree::List values;
  if (list == nullptr) {
    values.push_back({convert(tree, key), tree.line});
    return values;
  }
  for (const Tree& element : *list) values.push_back({convert(element, key), element.line});
  if (values.empty()) throw Mistake(tree.line, fmt::format("'{}' is empty", key));
  return values;
}

void fail_kind(const Tree& tree, std::string_view key, std::string_view wanted) {
  constexpr std::array<std::string_view, 6> kKinds{"nothing", "a boolean", "a number",
                                                   "a text",  "a list",    "a map"};
  throw Mistake(tree.line,
                fmt::format("'{}': {} expected, got {}", key, wanted, kKinds[tree.what.index()]));
}

Converted text(const Tree& tree, std::string_view key) {
  const auto& value = expect<std::string>(tree, key, "a text");
  if (value.empty()) throw Mistake(tree.line, fmt::format("'{}' is empty", key));
  return value;
}

Converted boolean(const Tree& tree, std::string_view key) {
  return expect<bool>(tree, key, "true or false");
}

Converted duration(const Tree& tree, std::string_view key) {
  const auto* const number = std::get_if<double>(&tree.what);
  const auto value = number != nullptr
                         ? duration_from_seconds(*number)
                         : parse_duration(expect<std::string>(tree, key, "a number of seconds"));
  if (!value) throw Mistake(tree.line, fmt::format("'{}': {}", key, value.error().message));
  return std::chrono::duration<double>(*value).count();
}

Converted whole(const Tree& tree, std::string_view key, std::uint32_t least, std::uint32_t most) {
  const double number = expect<double>(tree, key, "a number");
  if (number >= least && number <= most && std::floor(number) == number) return number;
  throw Mistake(tree.line, fmt::format("'{}': a whole number from {} to {} expected, got {}", key,
                                       least, most, number));
}

Converted one_of(const Tree& tree, std::string_view key, std::span<const std::string_view> words) {
  const auto& value = expect<std::string>(tree, key, "a text");
  for (const std::string_view word : words) {
    if (plain(word) == plain(value)) return std::string(word);
  }
  throw Mistake(tree.line, fmt::format("'{}': {}", key, unknown_name("value", value, words)));
}

}  // namespace perilune::script
