#include "wire/postgres/sql.hh"

#include <algorithm>
#include <array>
#include <cstddef>

namespace perilune::wire::postgres {

namespace {

constexpr std::uint32_t kMostParameters = 65535;

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_word_start(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_word_part(char c) noexcept { return is_word_start(c) || is_digit(c); }
bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}
char capital(char c) noexcept { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }

// Goes through a text token by token.
class Scanner {
 public:
  enum class Kind : std::uint8_t { End, Word, Parameter, Other };
  struct Token {
    Kind kind = Kind::End;
    std::string_view text;
  };

  explicit Scanner(std::string_view text) noexcept : text_(text) {}

  Token next() noexcept {
    skip_blanks();
    if (at_ >= text_.size()) return {};
    const std::size_t begin = at_;
    const Kind kind = pass_token();
    return {kind, text_.substr(begin, at_ - begin)};
  }

 private:
  char ahead(std::size_t by = 0) const noexcept {
    return at_ + by < text_.size() ? text_[at_ + by] : '\0';
  }
  bool starts_with(std::string_view what) const noexcept {
    return text_.substr(at_).starts_with(what);
  }
  void pass_until(std::string_view end) noexcept {
    const std::size_t found = text_.find(end, at_);
    at_ = found == std::string_view::npos ? text_.size() : found + end.size();
  }

  void skip_blanks() noexcept {
    for (;;) {
      while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
      if (starts_with("--")) {
        pass_until("\n");
      } else if (starts_with("/*")) {
        pass_comment();
      } else {
        return;
      }
    }
  }

  // They nest.
  void pass_comment() noexcept {
    std::size_t depth = 0;
    do {
      if (starts_with("/*")) {
        ++depth;
        at_ += 2;
      } else if (starts_with("*/")) {
        --depth;
        at_ += 2;
      } else {
        ++at_;
      }
    } while (depth > 0 && at_ < text_.size());
  }

  Kind pass_token() noexcept {
    const char c = ahead();
    if (c == '\'') return pass_quoted('\'', /*escapes=*/false);
    if (c == '"') return pass_quoted('"', /*escapes=*/false);
    if (c == '$') return pass_dollar();
    if (is_word_start(c)) return pass_word();
    if (is_digit(c)) return pass_number();
    ++at_;
    return Kind::Other;
  }

  Kind pass_word() noexcept {
    if (capital(ahead()) == 'E' && ahead(1) == '\'') {
      ++at_;
      return pass_quoted('\'', /*escapes=*/true);
    }
    while (at_ < text_.size() && (is_word_part(text_[at_]) || text_[at_] == '$')) ++at_;
    return Kind::Word;
  }

  Kind pass_number() noexcept {
    while (at_ < text_.size() && is_word_part(text_[at_])) ++at_;
    return Kind::Other;
  }

  // A quote inside is doubled: two texts side by side to us.
  Kind pass_quoted(char quote, bool escapes) noexcept {
    for (++at_; at_ < text_.size(); ++at_) {
      if (escapes && text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == quote) {
        break;
      }
    }
    at_ = std::min(at_ + 1, text_.size());
    return Kind::Other;
  }

  // A parameter, a text between two equal tags, or nothing.
  Kind pass_dollar() noexcept {
    std::size_t size = 1;
    if (is_digit(ahead(1))) {
      while (is_digit(ahead(size))) ++size;
      at_ += size;
      return Kind::Parameter;
    }
    if (is_word_start(ahead(1))) {
      while (is_word_part(ahead(size))) ++size;
    }
    if (ahead(size) != '$') {
      ++at_;
      return Kind::Other;
    }
    const std::string_view tag = text_.substr(at_, size + 1);
    at_ += tag.size();
    pass_until(tag);
    return Kind::Other;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::uint32_t number_of(std::string_view digits) noexcept {
  std::uint32_t number = 0;
  for (const char c : digits) {
    number = std::min(number * 10 + static_cast<std::uint32_t>(c - '0'), kMostParameters);
  }
  return number;
}

constexpr std::array<std::string_view, 7> kCountingVerbs{"COPY", "DELETE", "FETCH", "MERGE",
                                                         "MOVE", "SELECT", "UPDATE"};

}  // namespace

std::string first_word(std::string_view text) {
  Scanner scanner{text};
  Scanner::Token token = scanner.next();
  while (token.kind == Scanner::Kind::Other && (token.text == "(" || token.text == ";")) {
    token = scanner.next();
  }
  if (token.kind != Scanner::Kind::Word) return {};
  std::string word{token.text};
  std::ranges::transform(word, word.begin(), capital);
  return word;
}

std::uint16_t count_parameters(std::string_view text) noexcept {
  Scanner scanner{text};
  std::uint32_t highest = 0;
  for (auto token = scanner.next(); token.kind != Scanner::Kind::End; token = scanner.next()) {
    if (token.kind != Scanner::Kind::Parameter) continue;
    highest = std::max(highest, number_of(token.text.substr(1)));
  }
  return static_cast<std::uint16_t>(highest);
}

// "CommandComplete".
std::string command_tag(std::string_view first_word, std::uint64_t rows) {
  std::string tag{first_word};
  if (first_word == "INSERT") {
    tag += " 0 " + std::to_string(rows);
  } else if (std::ranges::find(kCountingVerbs, first_word) != kCountingVerbs.end()) {
    tag += ' ' + std::to_string(rows);
  } else if (tag.empty()) {
    tag = "OK";
  }
  return tag;
}

}  // namespace perilune::wire::postgres
