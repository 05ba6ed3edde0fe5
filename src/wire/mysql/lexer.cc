#include "wire/mysql/lexer.hh"

#include <algorithm>

namespace perilune::wire::mysql {

namespace {

constexpr std::size_t kMinVersion = 5;  // digits of the version in /*!50100 */
constexpr std::size_t kMaxVersion = 6;

bool is_of_word(char c) noexcept {
  const char letter = upper(c);
  return (letter >= 'A' && letter <= 'Z') || is_digit(c) || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

bool is_quote(char c) noexcept { return c == '\'' || c == '"' || c == '`'; }

bool are_digits(std::string_view text) noexcept { return std::ranges::all_of(text, is_digit); }

bool is_hex_digit(char c) noexcept { return is_digit(c) || (upper(c) >= 'A' && upper(c) <= 'F'); }

// 0x1F, 0b01: only with a small letter, as servers have it.
bool is_based_number(std::string_view word) noexcept {
  const std::string_view digits = word.substr(std::min<std::size_t>(2, word.size()));
  if (digits.empty()) return false;
  if (word.starts_with("0x")) return std::ranges::all_of(digits, is_hex_digit);
  return word.starts_with("0b") && digits.find_first_not_of("01") == std::string_view::npos;
}

// 1e5: digits, e, digits; the sign is no part of the word.
bool is_power(std::string_view word) noexcept {
  const std::size_t e = word.find_first_of("eE");
  if (e == std::string_view::npos || e == 0 || e + 1 == word.size()) return false;
  return are_digits(word.substr(0, e)) && are_digits(word.substr(e + 1));
}

// 1e: of a number if a sign and digits follow.
bool is_mantissa(std::string_view word) noexcept {
  return word.size() > 1 && upper(word.back()) == 'E' &&
         are_digits(word.substr(0, word.size() - 1));
}

bool is_sign(char c) noexcept { return c == '+' || c == '-'; }

// What a backslash and this character stand for ("String Literals").
char unescaped(char c) noexcept {
  switch (c) {
    case '0':
      return '\0';
    case 'b':
      return '\b';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'Z':
      return '\x1A';
    default:
      return c;
  }
}

// A backslash before these is left to LIKE.
bool is_of_pattern(char c) noexcept { return c == '%' || c == '_'; }

}  // namespace

Token Lexer::next() noexcept {
  const bool finished = skip_blanks_and_comments();
  Token token;
  token.offset = at_;
  if (!finished) {
    token.kind = TokenKind::Unfinished;
  } else if (left() > 0) {
    token.kind = scan();
  }
  if (token.kind == TokenKind::Unfinished) give_up();
  token.text = sql_.substr(token.offset, at_ - token.offset);
  return token;
}

void Lexer::give_up() noexcept {
  at_ = sql_.size();
  in_code_ = false;
}

// False: the text ends in a comment.
bool Lexer::skip_blanks_and_comments() noexcept {
  while (left() > 0) {
    const std::size_t before = at_;
    if (!skip_one()) return false;
    if (at_ == before) return true;
  }
  return !in_code_;
}

bool Lexer::is_line_comment() const noexcept {
  if (peek() == '#') return true;
  return is_at("--") && (left() == 2 || is_blank(peek(2)) || is_control(peek(2)));
}

bool Lexer::skip_one() noexcept {
  if (is_blank(peek())) {
    ++at_;
  } else if (is_line_comment()) {
    skip_line();
  } else if (is_at("/*")) {
    return skip_comment();
  } else if (in_code_ && is_at("*/")) {
    at_ += 2;
    in_code_ = false;
  }
  return true;
}

bool Lexer::skip_comment() noexcept {
  if (is_at("/*!") || is_at("/*M!")) {
    enter_code();
    return true;
  }
  const std::size_t end = sql_.find("*/", at_ + 2);
  if (end == std::string_view::npos) return false;
  at_ = end + 2;
  return true;
}

void Lexer::skip_line() noexcept { at_ = std::min(sql_.find('\n', at_), sql_.size()); }

// Servers do not nest them either: the first end ends all.
void Lexer::enter_code() noexcept {
  at_ = sql_.find('!', at_) + 1;
  in_code_ = true;
  std::size_t version = 0;
  while (version < kMaxVersion && is_digit(peek(version))) ++version;
  if (version >= kMinVersion) at_ += version;
}

TokenKind Lexer::scan() noexcept {
  const char first = peek();
  if (is_digit(first) || (first == '.' && is_digit(peek(1)))) return scan_number();
  if (first == '`') return scan_quoted(TokenKind::QuotedName);
  if (is_quote(first)) return scan_quoted(TokenKind::String);
  if (is_at("@@")) return scan_system_variable();
  if (first == '@') return scan_user_variable();
  if (is_of_word(first)) {
    scan_word();
    return TokenKind::Word;
  }
  ++at_;
  return first == '?' ? TokenKind::Parameter : TokenKind::Symbol;
}

// A name may begin with digits.
TokenKind Lexer::scan_number() noexcept {
  const std::size_t begin = at_;
  scan_word();
  const std::string_view word = sql_.substr(begin, at_ - begin);
  if (is_based_number(word) || is_power(word)) return TokenKind::Number;
  if (are_digits(word)) {
    if (peek() != '.') return TokenKind::Number;
    ++at_;
    scan_digits();
    scan_exponent();
    return TokenKind::Number;
  }
  if (!is_mantissa(word) || !is_sign(peek()) || !is_digit(peek(1))) return TokenKind::Word;
  ++at_;
  scan_digits();
  return TokenKind::Number;
}

TokenKind Lexer::scan_quoted(TokenKind kind) noexcept {
  const char quote = peek();
  const bool escapes = backslash_escapes_ && quote != '`';
  for (++at_; left() > 0; ++at_) {
    const bool escape = escapes && peek() == '\\' && left() > 1;
    if (escape || (peek() == quote && peek(1) == quote)) {
      ++at_;
    } else if (peek() == quote) {
      ++at_;
      return kind;
    }
  }
  return TokenKind::Unfinished;
}

TokenKind Lexer::scan_user_variable() noexcept {
  ++at_;
  if (is_quote(peek())) return scan_quoted(TokenKind::UserVariable);
  const std::size_t begin = at_;
  while (left() > 0 && (is_of_word(peek()) || peek() == '.')) ++at_;
  return at_ > begin ? TokenKind::UserVariable : TokenKind::Symbol;
}

TokenKind Lexer::scan_system_variable() noexcept {
  at_ += 2;
  TokenKind kind = scan_part(TokenKind::Symbol);
  while (kind == TokenKind::SystemVariable && peek() == '.') {
    ++at_;
    kind = scan_part(TokenKind::SystemVariable);
  }
  return kind;
}

// A name in a system variable's; `otherwise` if there is none.
TokenKind Lexer::scan_part(TokenKind otherwise) noexcept {
  if (peek() == '`') return scan_quoted(TokenKind::SystemVariable);
  const std::size_t begin = at_;
  scan_word();
  return at_ > begin ? TokenKind::SystemVariable : otherwise;
}

void Lexer::scan_word() noexcept {
  while (left() > 0 && is_of_word(peek())) ++at_;
}

void Lexer::scan_digits() noexcept {
  while (left() > 0 && is_digit(peek())) ++at_;
}

void Lexer::scan_exponent() noexcept {
  if (upper(peek()) != 'E') return;
  const std::size_t sign = is_sign(peek(1)) ? 1 : 0;
  if (!is_digit(peek(1 + sign))) return;
  at_ += 1 + sign;
  scan_digits();
}

// NUL behind the end.
char Lexer::peek(std::size_t ahead) const noexcept {
  return ahead < left() ? sql_[at_ + ahead] : '\0';
}

std::string unquoted(const Token& token, bool backslash_escapes) {
  std::string_view text = token.text;
  if (text.size() < 2 || !is_quote(text.front())) return std::string{text};
  const char quote = text.front();
  const bool escapes = backslash_escapes && quote != '`';
  text = text.substr(1, text.size() - 2);
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool more = i + 1 < text.size();
    const bool escape = escapes && more && text[i] == '\\';
    if (escape || (more && text[i] == quote)) ++i;
    if (escape && is_of_pattern(text[i])) plain.push_back('\\');
    plain.push_back(escape ? unescaped(text[i]) : text[i]);
  }
  return plain;
}

bool is_keyword(const Token& token, std::string_view keyword) noexcept {
  return token.kind == TokenKind::Word && std::ranges::equal(token.text, keyword, {}, upper);
}

bool is_symbol(const Token& token, char symbol) noexcept {
  return token.kind == TokenKind::Symbol && token.text.size() == 1 && token.text[0] == symbol;
}

}  // namespace perilune::wire::mysql
