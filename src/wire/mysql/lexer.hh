#pragma once

// Tokens of an SQL text as MySQL and MariaDB read it, for the few statements that a proxy looks at:
// no grammar, no keywords. The text's character set must have ASCII's bytes for ASCII alone (UTF-8,
// latin1), and double quotes are taken to hold strings, whatever the SQL mode says.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace perilune::wire::mysql {

enum class TokenKind : std::uint8_t {
  End,
  Word,            // keyword or name
  QuotedName,      // `name`
  String,          // 'text' or "text"
  Number,          // 12, 1.5, .5, 2e-3, 0x1F
  Parameter,       // ?
  UserVariable,    // @name, @`name`, @'name'
  SystemVariable,  // @@name, @@global.name, @@`name`
  Symbol,          // one character of anything else
  Unfinished,      // a string, name or comment without its end; all that is left of the text
};

struct Token {
  TokenKind kind = TokenKind::End;
  std::string_view text;   // as it is in the SQL, with its quotes
  std::size_t offset = 0;  // where it begins there
};

class Lexer {
 public:
  // The text must outlive the tokens. Without backslash_escapes: as under NO_BACKSLASH_ESCAPES
  // (status::kNoBackslashEscapes).
  explicit Lexer(std::string_view sql, bool backslash_escapes = true) noexcept
      : sql_(sql), backslash_escapes_(backslash_escapes) {}

  // Behind the last token, and behind Unfinished, there is only End.
  Token next() noexcept;

 private:
  void give_up() noexcept;
  bool skip_blanks_and_comments() noexcept;
  bool is_line_comment() const noexcept;
  bool skip_one() noexcept;
  bool skip_comment() noexcept;
  void skip_line() noexcept;
  void enter_code() noexcept;

  TokenKind scan() noexcept;
  TokenKind scan_number() noexcept;
  TokenKind scan_quoted(TokenKind kind) noexcept;
  TokenKind scan_user_variable() noexcept;
  TokenKind scan_system_variable() noexcept;
  TokenKind scan_part(TokenKind kind) noexcept;
  void scan_word() noexcept;
  void scan_digits() noexcept;
  void scan_exponent() noexcept;

  char peek(std::size_t ahead = 0) const noexcept;
  std::size_t left() const noexcept { return sql_.size() - at_; }
  bool is_at(std::string_view text) const noexcept { return sql_.substr(at_).starts_with(text); }

  std::string_view sql_;
  std::size_t at_ = 0;
  bool backslash_escapes_;
  bool in_code_ = false;  // in a comment that is code
};

// The texts of both kinds of names and of strings without quotes, doubled quotes and escapes.
std::string unquoted(const Token& token, bool backslash_escapes = true);

// Of ASCII letters. `keyword` is in upper case.
bool is_keyword(const Token& token, std::string_view keyword) noexcept;
bool is_symbol(const Token& token, char symbol) noexcept;

constexpr bool is_blank(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr char upper(char c) noexcept {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
}

}  // namespace perilune::wire::mysql
