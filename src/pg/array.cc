#include "pg/array.hh"

#include <algorithm>
#include <utility>

namespace perilune::pg {

namespace {

// Reads an array from its beginning to its end; the first mistake sticks.
class Reader {
 public:
  explicit Reader(std::string_view text) noexcept : left_(text) {}

  Result<std::vector<std::string>, Failure> read() {
    expect('{', "'{' expected");
    if (!skip('}')) read_elements();
    if (!error_ && !left_.empty()) fail("garbage after '}'");
    if (error_) return Failure{error_};
    return std::move(elements_);
  }

 private:
  void read_elements() {
    do {
      elements_.push_back(skip('"') ? quoted() : plain());
    } while (!error_ && skip(','));
    expect('}', "'}' expected");
  }

  std::string quoted() {
    std::string element;
    while (!left_.empty() && left_.front() != '"') {
      skip('\\');  // the next one stands for itself
      if (!left_.empty()) element += take();
    }
    expect('"', "'\"' expected");
    return element;
  }

  std::string plain() {
    const std::size_t end = std::min(left_.find_first_of("{,}\"\\"), left_.size());
    const std::string element{left_.substr(0, end)};
    left_.remove_prefix(end);
    if (!left_.empty() && left_.front() == '{') {
      fail("nested arrays are not supported");
    } else if (element.empty()) {
      fail("an element is missing");
    }
    return element;
  }

  char take() noexcept {
    const char first = left_.front();
    left_.remove_prefix(1);
    return first;
  }
  bool skip(char wanted) noexcept {
    const bool is_there = !left_.empty() && left_.front() == wanted;
    if (is_there) left_.remove_prefix(1);
    return is_there;
  }
  void expect(char wanted, const char* message) noexcept {
    if (!error_ && !skip(wanted)) fail(message);
  }
  void fail(const char* message) noexcept {
    if (!error_) error_ = message;
  }

  std::string_view left_;
  std::vector<std::string> elements_;
  const char* error_ = nullptr;
};

}  // namespace

std::string encode_array(const std::vector<std::string>& elements) {
  std::string text = "{";
  for (const std::string& element : elements) {
    text += text.size() > 1 ? ",\"" : "\"";
    for (const char c : element) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  }
  return text + '}';
}

Result<std::vector<std::string>, Failure> decode_array(std::string_view text) {
  if (text.empty()) return std::vector<std::string>();
  return Reader{text}.read();
}

}  // namespace perilune::pg
