#include "wire/mysql/setup_statement.hh"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <initializer_list>

#include "wire/mysql/lexer.hh"
#include "wire/mysql/sql.hh"

namespace perilune::wire::mysql {

namespace {

// What may stand behind an item of SELECT and is no alias.
constexpr std::string_view kNoAlias[] = {
    "AND",   "AS",     "BETWEEN", "COLLATE", "DIV",       "EXCEPT", "FETCH",
    "FOR",   "FROM",   "GROUP",   "HAVING",  "INTERSECT", "INTO",   "IS",
    "IN",    "LIKE",   "LIMIT",   "LOCK",    "MOD",       "NOT",    "OR",
    "ORDER", "REGEXP", "RLIKE",   "UNION",   "WHERE",     "WINDOW", "XOR"};

struct NamedFunction {
  std::string_view name;
  SetupFunction function;
  bool needs_parentheses = true;
};

constexpr NamedFunction kFunctions[] = {
    {"CONNECTION_ID", SetupFunction::ConnectionId},
    {"CURRENT_USER", SetupFunction::CurrentUser, /*needs_parentheses=*/false},
    {"DATABASE", SetupFunction::Database},
    {"SCHEMA", SetupFunction::Database},
    {"USER", SetupFunction::User},
    {"VERSION", SetupFunction::Version},
};

// The tokens of one text, with the current one in sight.
class Parser {
 public:
  explicit Parser(std::string_view sql) noexcept : sql_(sql), lexer_(sql), token_(lexer_.next()) {}

  const Token& token() const noexcept { return token_; }

  void advance() noexcept {
    end_ = token_.offset + token_.text.size();
    token_ = lexer_.next();
  }

  bool skip(std::string_view keyword) noexcept { return advance_if(is_keyword(token_, keyword)); }
  bool skip_any(std::initializer_list<std::string_view> keywords) noexcept {
    return std::ranges::any_of(keywords, [this](std::string_view word) { return skip(word); });
  }
  bool skip_symbol(char symbol) noexcept { return advance_if(is_symbol(token_, symbol)); }

  // At the end, but for semicolons.
  bool at_end() const noexcept { return token_.kind == TokenKind::End || is_symbol(token_, ';'); }
  // Whether nothing else follows.
  bool ends() noexcept {
    while (skip_symbol(';')) continue;
    return token_.kind == TokenKind::End;
  }

  // Whether the rest is well-formed and of this statement.
  bool skip_rest() noexcept {
    while (!at_end()) {
      if (token_.kind == TokenKind::Unfinished) return false;
      advance();
    }
    return ends();
  }

  // The text from there to the end of the last token that was passed.
  std::string_view passed_since(std::size_t begin) const noexcept {
    return sql_.substr(begin, end_ - begin);
  }

 private:
  bool advance_if(bool condition) noexcept {
    if (condition) advance();
    return condition;
  }

  std::string_view sql_;
  Lexer lexer_;
  Token token_;
  std::size_t end_ = 0;
};

std::string in_upper_case(std::string_view text) {
  std::string result{text};
  std::ranges::transform(result, result.begin(), upper);
  return result;
}

// --- SELECT

bool read_parentheses(Parser& in, bool needed) noexcept {
  if (!in.skip_symbol('(')) return !needed;
  return in.skip_symbol(')');
}

bool read_function(Parser& in, SelectItem& item) {
  const auto* found = std::ranges::find_if(
      kFunctions, [&in](const NamedFunction& f) { return is_keyword(in.token(), f.name); });
  if (found == std::end(kFunctions)) return false;
  in.advance();
  item.expression = found->function;
  return read_parentheses(in, found->needs_parentheses);
}

std::string without_backticks(std::string_view part) {
  return unquoted({TokenKind::QuotedName, part, 0});
}

SystemVariable system_variable(std::string_view text) {
  const std::string_view whole = text.substr(2);
  const std::size_t dot = whole.find('.');
  const std::string_view first = whole.substr(0, dot);
  const Token word{TokenKind::Word, first, 0};
  if (dot == std::string_view::npos) return {VariableScope::Any, without_backticks(whole)};
  const std::string_view rest = whole.substr(dot + 1);
  if (is_keyword(word, "GLOBAL")) return {VariableScope::Global, without_backticks(rest)};
  if (is_keyword(word, "SESSION") || is_keyword(word, "LOCAL")) {
    return {VariableScope::Session, without_backticks(rest)};
  }
  return {VariableScope::Any, std::string{whole}};
}

std::optional<Value> number(std::string_view text) {
  const char* end = text.data() + text.size();
  std::int64_t integer = 0;
  const auto whole = std::from_chars(text.data(), end, integer);
  if (whole.ec == std::errc{} && whole.ptr == end) return Value{integer};
  double real = 0;
  const auto read = std::from_chars(text.data(), end, real);
  if (read.ec != std::errc{} || read.ptr != end || !std::isfinite(real)) return std::nullopt;
  return Value{real};
}

bool read_literal(Parser& in, SelectItem& item) {
  if (in.token().kind == TokenKind::String) {
    item.expression = Value{unquoted(in.token())};
  } else if (in.token().kind == TokenKind::Number) {
    std::optional<Value> value = number(in.token().text);
    if (!value) return false;
    item.expression = std::move(*value);
  } else {
    return false;
  }
  in.advance();
  return true;
}

bool read_expression(Parser& in, SelectItem& item) {
  if (in.token().kind == TokenKind::SystemVariable) {
    item.expression = system_variable(in.token().text);
    in.advance();
    return true;
  }
  return in.token().kind == TokenKind::Word ? read_function(in, item) : read_literal(in, item);
}

bool is_alias(const Token& token) noexcept {
  if (token.kind == TokenKind::QuotedName || token.kind == TokenKind::String) return true;
  const auto same = [&token](std::string_view word) { return is_keyword(token, word); };
  return token.kind == TokenKind::Word && std::ranges::none_of(kNoAlias, same);
}

// True also if there is none.
bool read_alias(Parser& in, SelectItem& item, bool after_string) {
  const bool announced = in.skip("AS");
  if (!is_alias(in.token())) return !announced;
  // Strings side by side are one.
  if (!announced && after_string && in.token().kind == TokenKind::String) return false;
  item.column = unquoted(in.token());
  in.advance();
  return true;
}

bool read_item(Parser& in, SelectStatement& select) {
  SelectItem item;
  const Token first = in.token();
  const bool is_string = first.kind == TokenKind::String;
  if (!read_expression(in, item)) return false;
  item.column = is_string ? unquoted(first) : std::string{in.passed_since(first.offset)};
  if (!read_alias(in, item, is_string)) return false;
  select.items.push_back(std::move(item));
  return true;
}

bool read_limit(Parser& in) noexcept {
  if (!in.skip("LIMIT")) return true;
  const bool one = in.token().kind == TokenKind::Number && in.token().text == "1";
  in.advance();
  return one;
}

std::optional<SetupStatement> parse_select(Parser& in) {
  SelectStatement select;
  do {
    if (!read_item(in, select)) return std::nullopt;
  } while (in.skip_symbol(','));
  if (!read_limit(in) || !in.ends()) return std::nullopt;
  return select;
}

// --- SHOW

VariableScope read_scope(Parser& in) noexcept {
  if (in.skip("GLOBAL")) return VariableScope::Global;
  return in.skip_any({"SESSION", "LOCAL"}) ? VariableScope::Session : VariableScope::Any;
}

bool read_what(Parser& in, ShowStatement& show) {
  if (in.token().kind != TokenKind::Word) return false;
  const bool character = is_keyword(in.token(), "CHARACTER");
  show.what = character ? "CHARSET" : in_upper_case(in.token().text);
  in.advance();
  return !character || in.skip("SET");
}

bool read_restriction(Parser& in, ShowStatement& show) {
  if (in.at_end()) return in.ends();
  if (in.skip("LIKE") && in.token().kind == TokenKind::String) {
    std::string pattern = unquoted(in.token());
    in.advance();
    if (in.at_end()) {
      show.pattern = std::move(pattern);
      return in.ends();
    }
  }
  show.restricted = true;
  return in.skip_rest();
}

std::optional<SetupStatement> parse_show(Parser& in) {
  ShowStatement show;
  in.skip_any({"FULL", "EXTENDED"});
  show.scope = read_scope(in);
  if (!read_what(in, show) || !read_restriction(in, show)) return std::nullopt;
  return show;
}

// --- the others

// MariaDB's "SET STATEMENT ... FOR ..." runs another statement.
std::optional<SetupStatement> parse_set(Parser& in) noexcept {
  if (in.at_end() || in.skip("STATEMENT") || !in.skip_rest()) return std::nullopt;
  return SetStatement{};
}

// "BEGIN NOT ATOMIC" is a block of statements.
std::optional<SetupStatement> parse_begin(Parser& in) noexcept {
  in.skip("WORK");
  if (!in.ends()) return std::nullopt;
  return TransactionStatement::Begin;
}

std::optional<SetupStatement> parse_start(Parser& in) noexcept {
  if (!in.skip("TRANSACTION") || !in.skip_rest()) return std::nullopt;
  return TransactionStatement::Begin;
}

std::optional<SetupStatement> parse_end(Parser& in, TransactionStatement which) noexcept {
  while (in.skip_any({"WORK", "AND", "NO", "CHAIN", "RELEASE"})) continue;
  if (!in.ends()) return std::nullopt;
  return which;
}

std::optional<SetupStatement> parse_use(std::string_view sql) {
  std::optional<std::string> database = use_target(sql);
  if (!database) return std::nullopt;
  return UseStatement{std::move(*database)};
}

}  // namespace

std::optional<SetupStatement> parse_setup(std::string_view sql) {
  Parser in{sql};
  if (in.skip("SET")) return parse_set(in);
  if (in.skip("SELECT")) return parse_select(in);
  if (in.skip("SHOW")) return parse_show(in);
  if (in.skip("USE")) return parse_use(sql);
  if (in.skip("BEGIN")) return parse_begin(in);
  if (in.skip("START")) return parse_start(in);
  if (in.skip("COMMIT")) return parse_end(in, TransactionStatement::Commit);
  if (in.skip("ROLLBACK")) return parse_end(in, TransactionStatement::Rollback);
  return std::nullopt;
}

}  // namespace perilune::wire::mysql
