#include "data/yaml.hh"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

#include "util/text.hh"

namespace perilune::data {

namespace {

constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

template <std::size_t N>
bool is_one_of(std::string_view text, const std::array<std::string_view, N>& words) {
  return std::ranges::find(words, text) != words.end();
}

bool is_null(std::string_view text) {
  constexpr std::array<std::string_view, 5> kWords{"", "~", "null", "Null", "NULL"};
  return is_one_of(text, kWords);
}

std::optional<bool> as_boolean(std::string_view text) {
  constexpr std::array<std::string_view, 3> kTrue{"true", "True", "TRUE"};
  constexpr std::array<std::string_view, 3> kFalse{"false", "False", "FALSE"};
  if (is_one_of(text, kTrue)) return true;
  if (is_one_of(text, kFalse)) return false;
  return std::nullopt;
}

std::optional<double> as_based_number(std::string_view text) {
  const int base = text.starts_with("0x") ? 16 : text.starts_with("0o") ? 8 : 0;
  if (base == 0) return std::nullopt;
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data() + 2, end, number, base);
  if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  return static_cast<double>(number);
}

std::optional<double> as_special_number(std::string_view text) {
  constexpr std::array<std::string_view, 3> kNan{".nan", ".NaN", ".NAN"};
  constexpr std::array<std::string_view, 3> kInfinity{".inf", ".Inf", ".INF"};
  if (is_one_of(text, kNan)) return std::numeric_limits<double>::quiet_NaN();
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  if (!is_one_of(text, kInfinity)) return std::nullopt;
  const double infinity = std::numeric_limits<double>::infinity();
  return is_negative ? -infinity : infinity;
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
std::optional<double> as_decimal_number(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  if (text.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return std::nullopt;
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (read.ptr != end || read.ec == std::errc::invalid_argument) return std::nullopt;
  if (read.ec == std::errc::result_out_of_range) throw std::range_error("number out of range");
  return number;
}

std::optional<double> as_number(std::string_view text) {
  if (const auto number = as_based_number(text)) return number;
  if (const auto number = as_special_number(text)) return number;
  return as_decimal_number(text);
}

using What = decltype(Tree::what);

What plain_scalar(const std::string& text) {
  if (is_null(text)) return std::monostate{};
  if (const auto value = as_boolean(text)) return *value;
  if (const auto value = as_number(text)) return *value;
  return text;
}

template <typename T>
What tagged(const std::optional<T>& value, std::string_view type) {
  if (!value) throw std::range_error(fmt::format("this is no {}", type));
  return *value;
}

What tagged_scalar(const std::string& text, std::string_view tag) {
  if (!tag.starts_with(kTagPrefix)) return text;
  tag.remove_prefix(kTagPrefix.size());
  if (tag == "null") return std::monostate{};
  if (tag == "bool") return tagged(as_boolean(text), tag);
  if (tag == "int" || tag == "float") return tagged(as_number(text), tag);
  return text;
}

What scalar(const YAML::Node& node) {
  const std::string& tag = node.Tag();
  const bool is_plain = tag.empty() || tag == "?";
  return is_plain ? plain_scalar(node.Scalar()) : tagged_scalar(node.Scalar(), tag);
}

unsigned line_of(const YAML::Mark& mark) {
  return mark.line < 0 ? 0 : static_cast<unsigned>(mark.line) + 1;
}

std::string at(const YAML::Mark& mark, std::string_view what) {
  return fmt::format("line {}, column {}: {}", line_of(mark), mark.column + 1, what);
}

// Copies nodes, which share what aliases name, to a tree, which does not.
class Expansion {
 public:
  Tree copy(const YAML::Node& node) {
    Tree tree;
    tree.line = line_of(node.Mark());
    pay(sizeof tree);
    if (node.IsScalar()) {
      pay(node.Scalar().size());
      tree.what = scalar_at(node);
    } else if (node.IsSequence() || node.IsMap()) {
      if (++depth_ > kMaxDepth) throw std::length_error(at(node.Mark(), kTooDeep));
      tree.what = node.IsMap() ? What{copy_map(node)} : What{copy_list(node)};
      --depth_;
    }
    return tree;
  }

 private:
  static What scalar_at(const YAML::Node& node) {
    try {
      return scalar(node);
    } catch (const std::range_error& error) {
      throw std::range_error(at(node.Mark(), error.what()));
    }
  }
  Tree::List copy_list(const YAML::Node& node) {
    Tree::List list;
    for (const auto& element : node) list.push_back(copy(element));
    return list;
  }
  Tree::Map copy_map(const YAML::Node& node) {
    Tree::Map map;
    for (const auto& pair : node) {
      const YAML::Mark mark = pair.first.Mark();
      if (!pair.first.IsScalar()) throw std::range_error(at(mark, "a key that is no text"));
      pay(sizeof(Member) + pair.first.Scalar().size());
      map.push_back({pair.first.Scalar(), copy(pair.second), line_of(mark)});
    }
    return map;
  }
  void pay(std::size_t bytes) {
    used_ += bytes;
    if (used_ > kMaxYaml) throw std::length_error("too large with its aliases expanded");
  }

  std::size_t depth_ = 0;
  std::size_t used_ = 0;
};

// Hears where the contents of the last document begin.
class Documents final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override {
    begin_ = mark;
    is_empty_ = true;
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { note(mark); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { note(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                const std::string&) override {
    note(mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    note(mark);
  }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    note(mark);
  }
  void OnMapEnd() override {}

  const YAML::Mark& begin() const noexcept { return begin_; }

 private:
  void note(const YAML::Mark& mark) {
    if (is_empty_) begin_ = mark;
    is_empty_ = false;
  }

  YAML::Mark begin_;
  bool is_empty_ = true;
};

// Throws if there is more than one document. LoadAll() would tell as well, but it finds one document
// after the other behind a bracket too many, for ever.
void check_single(const std::string& text) {
  std::istringstream stream{text};
  YAML::Parser parser{stream};
  Documents documents;
  if (!parser.HandleNextDocument(documents)) return;
  const YAML::Mark first = documents.begin();
  const bool another = parser.HandleNextDocument(documents);
  const bool is_elsewhere = another && documents.begin().pos > first.pos;
  if (is_elsewhere) throw std::range_error(at(documents.begin(), "a second document"));
  if (another || parser) throw std::range_error("more than a document");
}

// YAML 1.2, section 5.1. The library takes NULs for UTF-16, and does not always come to an end then.
bool is_readable(std::string_view text) noexcept {
  return is_utf8(text) && std::ranges::none_of(text, [](char c) {
    return (c >= 0 && c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == '\x7F';
  });
}

}  // namespace

Result<Tree, Failure> parse_yaml(std::string_view text) {
  if (!is_readable(text)) return Failure{"not UTF-8, or with control characters"};
  try {
    const std::string copy{text};
    check_single(copy);
    return Expansion{}.copy(YAML::Load(copy));
  } catch (const YAML::Exception& error) {
    return Failure{at(error.mark, error.msg)};
  } catch (const std::exception& error) {
    return Failure{error.what()};
  }
}

}  // namespace perilune::data
