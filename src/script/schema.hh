#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "data/tree.hh"

namespace perilune::script {

// Checks what a person wrote in JSON, YAML or TOML, key by key, and gives it the names and the
// types that Lua's functions want. What is wrong is thrown as a Mistake.

class Mistake : public std::runtime_error {
 public:
  Mistake(unsigned line, const std::string& what) : std::runtime_error(what), line_(line) {}
  unsigned line() const noexcept { return line_; }  // 0: nobody knows

 private:
  unsigned line_;
};

using Converted = decltype(data::Tree::what);
using Convert = Converted (*)(const data::Tree& tree, std::string_view key);

struct Key {
  std::string_view name;    // as the manual writes it
  std::string_view target;  // its new name
  Convert convert;
};

// "MaxConnections", "max_connections" and "max-connections" are the same.
std::string plain(std::string_view name);

// The members that the keys describe, converted, under their new names.
data::Tree::Map read_map(const data::Tree& tree, std::string_view what, std::span<const Key> keys);
const data::Tree& require(const data::Tree::Map& map, std::string_view target,
                          std::string_view name, unsigned line);
// A single value stands for a list of it.
data::Tree::List list_of(const data::Tree& tree, std::string_view key, Convert convert);

[[noreturn]] void fail_kind(const data::Tree& tree, std::string_view key, std::string_view wanted);

template <typename T>
const T& expect(const data::Tree& tree, std::string_view key, std::string_view wanted) {
  const T* const value = std::get_if<T>(&tree.what);
  if (value == nullptr) fail_kind(tree, key, wanted);
  return *value;
}

// --- conversions

Converted text(const data::Tree& tree, std::string_view key);
Converted boolean(const data::Tree& tree, std::string_view key);
Converted duration(const data::Tree& tree, std::string_view key);  // in seconds

// For conversions of one's own.
Converted whole(const data::Tree& tree, std::string_view key, std::uint32_t least,
                std::uint32_t most);
Converted one_of(const data::Tree& tree, std::string_view key,
                 std::span<const std::string_view> words);

}  // namespace perilune::script
