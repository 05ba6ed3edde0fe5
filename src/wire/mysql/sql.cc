#include "wire/mysql/sql.hh"

#include <charconv>

namespace perilune::wire::mysql {

namespace {

// Servers cut semicolons and blanks off the end of a text, however many.
bool ends_here(Lexer& lexer, Token token) noexcept {
  while (is_symbol(token, ';')) token = lexer.next();
  return token.kind == TokenKind::End;
}

bool is_name(const Token& token) noexcept {
  if (token.kind == TokenKind::QuotedName) return token.text.size() > 2;
  return token.kind == TokenKind::Word;
}

// Right behind "/*!", digits may be a version to one server and code to another.
bool may_be_version(std::string_view sql, const Token& token) noexcept {
  const char before = token.offset > 0 ? sql[token.offset - 1] : ' ';
  return before == '!' || is_digit(before);
}

bool read_id(const Token& token, KillStatement& kill) noexcept {
  const char* end = token.text.data() + token.text.size();
  const auto read = std::from_chars(token.text.data(), end, kill.id);
  if (token.kind != TokenKind::Number || read.ec != std::errc{} || read.ptr != end) return false;
  kill.id_offset = token.offset;
  kill.id_length = token.text.size();
  return true;
}

}  // namespace

std::optional<std::string> use_target(std::string_view sql) {
  Lexer lexer{sql};
  if (!is_keyword(lexer.next(), "USE")) return std::nullopt;
  const Token name = lexer.next();
  if (!is_name(name) || !ends_here(lexer, lexer.next())) return std::nullopt;
  return unquoted(name);
}

std::optional<KillStatement> parse_kill(std::string_view sql) noexcept {
  Lexer lexer{sql};
  if (!is_keyword(lexer.next(), "KILL")) return std::nullopt;
  KillStatement kill;
  Token token = lexer.next();
  kill.soft = is_keyword(token, "SOFT");
  if (kill.soft || is_keyword(token, "HARD")) token = lexer.next();
  kill.query_only = is_keyword(token, "QUERY");
  if (kill.query_only || is_keyword(token, "CONNECTION")) token = lexer.next();
  if (!read_id(token, kill) || may_be_version(sql, token)) return std::nullopt;
  if (!ends_here(lexer, lexer.next())) return std::nullopt;
  return kill;
}

std::size_t count_parameters(std::string_view sql, bool backslash_escapes) noexcept {
  if (sql.find('?') == std::string_view::npos) return 0;
  Lexer lexer{sql, backslash_escapes};
  std::size_t count = 0;
  for (;;) {
    const Token token = lexer.next();
    if (token.kind == TokenKind::End || token.kind == TokenKind::Unfinished) return count;
    if (token.kind == TokenKind::Parameter) ++count;
  }
}

}  // namespace perilune::wire::mysql
