#include "data/toml.hh"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace perilune::data {

namespace {

constexpr unsigned kMaxDots = 32;  // in one key

// The library makes a table of each part of a dotted key and takes them down by recursion, so their
// number must be bounded before it sees them. Follows strings and comments, and otherwise only
// counts dots up to whatever ends a key.
class Dots {
 public:
  explicit Dots(std::string_view text) noexcept : text_(text) {}

  // The line of a key with too many, or 0.
  unsigned line_of_excess() {
    while (at_ < text_.size()) {
      step();
      if (dots_ > kMaxDots) return line_;
    }
    return 0;
  }

 private:
  void step() {
    const char c = text_[at_];
    if (c == '"' || c == '\'') return skip_string(c);
    if (c == '#') return skip_to(text_.find('\n', at_));
    ++at_;
    if (c == '.') {
      ++dots_;
    } else if (std::string_view("=,{}[]\n").find(c) != std::string_view::npos) {
      dots_ = 0;
      line_ += c == '\n';
    }
  }
  void skip_string(char quote) {
    const std::string triple(3, quote);
    const bool is_long = text_.substr(at_).starts_with(triple);
    const std::string_view end =
        is_long ? std::string_view(triple) : std::string_view(triple).substr(2);
    at_ += end.size();
    while (at_ < text_.size() && !text_.substr(at_).starts_with(end)) {
      if (!is_long && text_[at_] == '\n') return;  // an error, which the library reports
      const bool is_escape = quote == '"' && text_[at_] == '\\';
      const std::string_view read = text_.substr(at_, is_escape ? 2 : 1);
      line_ += read.back() == '\n';
      at_ += read.size();
    }
    skip_to(at_ + end.size());
  }
  void skip_to(std::size_t where) { at_ = std::min(where, text_.size()); }

  std::string_view text_;
  std::size_t at_ = 0;
  unsigned dots_ = 0;
  unsigned line_ = 1;
};

template <typename T>
std::string written(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

Tree copy(const toml::node& node, std::size_t depth);

Tree::List copy_list(const toml::array& array, std::size_t depth) {
  Tree::List list;
  for (const toml::node& element : array) list.push_back(copy(element, depth));
  return list;
}

Tree::Map copy_map(const toml::table& table, std::size_t depth) {
  Tree::Map map;
  for (const auto& [key, value] : table) {
    map.push_back({std::string(key.str()), copy(value, depth), key.source().begin.line});
  }
  return map;
}

decltype(Tree::what) copy_value(const toml::node& node) {
  if (const auto* value = node.as_string()) return value->get();
  if (const auto* value = node.as_boolean()) return value->get();
  if (const auto* value = node.as_integer()) return static_cast<double>(value->get());
  if (const auto* value = node.as_floating_point()) return value->get();
  if (const auto* value = node.as_date()) return written(value->get());
  if (const auto* value = node.as_time()) return written(value->get());
  if (const auto* value = node.as_date_time()) return written(value->get());
  return std::monostate{};
}

Tree copy(const toml::node& node, std::size_t depth) {
  if (depth > kMaxDepth) throw std::length_error(kTooDeep);
  Tree tree;
  tree.line = node.source().begin.line;
  if (const toml::table* table = node.as_table()) {
    tree.what = copy_map(*table, depth + 1);
  } else if (const toml::array* array = node.as_array()) {
    tree.what = copy_list(*array, depth + 1);
  } else {
    tree.what = copy_value(node);
  }
  return tree;
}

}  // namespace

Result<Tree, Failure> parse_toml(std::string_view text) {
  if (const unsigned line = Dots{text}.line_of_excess(); line > 0) {
    return Failure{fmt::format("line {}: {}", line, kTooDeep)};
  }
  try {
    return copy(toml::parse(text), 0);
  } catch (const toml::parse_error& error) {
    const auto where = error.source().begin;
    return Failure{
        fmt::format("line {}, column {}: {}", where.line, where.column, error.description())};
  } catch (const std::exception& error) {
    return Failure{error.what()};
  }
}

}  // namespace perilune::data
