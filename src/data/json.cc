#include "data/json.hh"

#include <cmath>
#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

namespace perilune::data {

namespace {

using Json = nlohmann::json;

struct Position {
  unsigned line = 1;
  char last = '\0';
};

// Characters of a text, which count the lines that the parser has read.
class Counting {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Counting(const char* at, Position* position) noexcept : at_(at), position_(position) {}
  reference operator*() const noexcept { return *at_; }
  Counting& operator++() noexcept {
    position_->last = *at_;
    if (*at_ == '\n') ++position_->line;
    ++at_;
    return *this;
  }
  Counting operator++(int) noexcept {
    const Counting before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Counting& other) const noexcept { return at_ == other.at_; }

 private:
  const char* at_;
  Position* position_;
};

// "[json.exception.parse_error.101] parse error at line 1, …" → "parse error at line 1, …"
std::string message_of(const std::exception& error) {
  const std::string_view what = error.what();
  const auto end = what.find("] ");
  const bool has_id = what.starts_with('[') && end != std::string_view::npos;
  return std::string(has_id ? what.substr(end + 2) : what);
}

// Builds the tree as the parser tells of its parts.
class Builder {
 public:
  explicit Builder(const Position& position) noexcept : position_(position) {}

  bool null() { return add({}); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(std::int64_t value) { return add_number(static_cast<double>(value)); }
  bool number_unsigned(std::uint64_t value) { return add_number(static_cast<double>(value)); }
  bool number_float(double value, const std::string&) { return add_number(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Json::binary_t&) { return false; }
  bool start_object(std::size_t) { return open(Tree::Map{}); }
  bool end_object() { return close(); }
  bool start_array(std::size_t) { return open(Tree::List{}); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    std::get<Tree::Map>(open_.back()->what).push_back({std::move(name), {}, position_.line});
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception& error) {
    failure_ = message_of(error);
    return false;
  }

  Tree& root() noexcept { return root_; }
  const std::string& failure() const noexcept { return failure_; }

 private:
  using What = decltype(Tree::what);

  // Where the next value belongs. What is open stays where it is until it is closed.
  Tree& place() {
    if (open_.empty()) return root_;
    if (auto* list = std::get_if<Tree::List>(&open_.back()->what)) return list->emplace_back();
    return std::get<Tree::Map>(open_.back()->what).back().value;
  }
  bool add(What what) {
    Tree& tree = place();
    tree.what = std::move(what);
    tree.line = position_.line;
    return true;
  }
  // The parser knows the end of a number by the character behind it.
  bool add_number(double value) {
    Tree& tree = place();
    tree.what = value;
    tree.line = position_.line - (position_.last == '\n' ? 1 : 0);
    return true;
  }
  bool open(What what) {
    if (open_.size() == kMaxDepth) {
      failure_ = kTooDeep;
      return false;
    }
    Tree& tree = place();
    tree.what = std::move(what);
    tree.line = position_.line;
    open_.push_back(&tree);
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  const Position& position_;
  Tree root_;
  std::vector<Tree*> open_;
  std::string failure_;
};

Json number_to_json(double number) {
  if (!std::isfinite(number)) throw std::range_error("JSON has no number that is not finite");
  constexpr double kLimit = 9223372036854775808.0;  // 2^63
  const bool is_whole = std::floor(number) == number && std::fabs(number) < kLimit;
  return is_whole ? Json(static_cast<std::int64_t>(number)) : Json(number);
}

Json to_json(const Tree& tree);

Json list_to_json(const Tree::List& list) {
  Json json = Json::array();
  for (const Tree& element : list) json.push_back(to_json(element));
  return json;
}

Json map_to_json(const Tree::Map& map) {
  Json json = Json::object();
  for (const Member& member : map) json[member.key] = to_json(member.value);
  return json;
}

Json to_json(const Tree& tree) {
  if (const auto* value = std::get_if<bool>(&tree.what)) return *value;
  if (const auto* value = std::get_if<double>(&tree.what)) return number_to_json(*value);
  if (const auto* value = std::get_if<std::string>(&tree.what)) return *value;
  if (const auto* value = std::get_if<Tree::List>(&tree.what)) return list_to_json(*value);
  if (const auto* value = std::get_if<Tree::Map>(&tree.what)) return map_to_json(*value);
  return nullptr;
}

}  // namespace

Result<Tree, Failure> parse_json(std::string_view text) {
  Position position;
  Builder builder{position};
  const Counting begin{text.data(), &position};
  const Counting end{text.data() + text.size(), &position};
  if (!Json::sax_parse(begin, end, &builder)) return Failure{builder.failure()};
  return std::move(builder.root());
}

Result<std::string, Failure> dump_json(const Tree& tree) {
  try {
    return to_json(tree).dump();
  } catch (const std::exception& error) {
    return Failure{message_of(error)};
  }
}

}  // namespace perilune::data
