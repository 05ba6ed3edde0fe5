// What a client may send as a statement or another command. What is recognised must agree with the
// tokens of the text, and must stay the same under changes that mean nothing.

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "fuzz/expect.hh"
#include "wire/mysql/commands.hh"
#include "wire/mysql/lexer.hh"
#include "wire/mysql/setup_statement.hh"
#include "wire/mysql/sql.hh"

using namespace perilune;
using namespace perilune::wire::mysql;

namespace {

std::vector<Token> tokens_of(std::string_view sql, bool backslash_escapes = true) {
  Lexer lexer{sql, backslash_escapes};
  std::vector<Token> tokens;
  std::size_t end = 0;
  for (;;) {
    const Token token = lexer.next();
    expect(token.offset >= end && token.offset <= sql.size());
    expect(token.text.size() <= sql.size() - token.offset);
    expect(token.text == sql.substr(token.offset, token.text.size()));
    end = token.offset + token.text.size();
    if (token.kind == TokenKind::End) break;
    tokens.push_back(token);
    if (token.kind == TokenKind::Unfinished) break;
    expect(!token.text.empty());
  }
  expect(lexer.next().kind == TokenKind::End);
  return tokens;
}

bool is_finished(const std::vector<Token>& tokens) {
  return tokens.empty() || tokens.back().kind != TokenKind::Unfinished;
}

// The tokens without semicolons at the end.
std::vector<Token> statement_of(std::vector<Token> tokens) {
  while (!tokens.empty() && is_symbol(tokens.back(), ';')) tokens.pop_back();
  return tokens;
}

std::size_t parameters_in(const std::vector<Token>& tokens) {
  std::size_t count = 0;
  for (const Token& token : tokens) count += token.kind == TokenKind::Parameter ? 1 : 0;
  return count;
}

void try_use(std::string_view sql, const std::vector<Token>& statement) {
  const auto target = use_target(sql);
  const bool is_use =
      statement.size() == 2 && is_keyword(statement[0], "USE") &&
      (statement[1].kind == TokenKind::Word ||
       (statement[1].kind == TokenKind::QuotedName && statement[1].text.size() > 2));
  expect(target.has_value() == is_use);
  if (target) expect(*target == unquoted(statement[1]));
}

void try_kill(std::string_view sql, const std::vector<Token>& statement) {
  const auto kill = parse_kill(sql);
  if (!kill) return;
  expect(may_be_kill(sql));
  expect(statement.size() >= 2 && statement.size() <= 4 && is_keyword(statement[0], "KILL"));
  expect(statement.back().offset == kill->id_offset);
  expect(statement.back().text.size() == kill->id_length);
  std::string other{sql};
  other.replace(kill->id_offset, kill->id_length, "18446744073709551615");
  const auto replaced = parse_kill(other);
  expect(replaced && replaced->id == UINT64_MAX);
  expect(replaced->query_only == kill->query_only && replaced->soft == kill->soft);
}

void try_setup(std::string_view sql, const std::vector<Token>& statement) {
  const auto setup = parse_setup(sql);
  if (!setup) return;
  expect(!statement.empty() && statement[0].kind == TokenKind::Word && is_finished(statement));
  for (const Token& token : statement) expect(!is_symbol(token, ';'));
  if (const auto* use = std::get_if<UseStatement>(&*setup)) {
    expect(use_target(sql) == use->database);
  }
  if (const auto* select = std::get_if<SelectStatement>(&*setup)) expect(!select->items.empty());
  const auto again = parse_setup(std::string{sql} + "\n;");
  expect(again && again->index() == setup->index());
}

void try_sql(std::string_view sql) {
  const std::vector<Token> tokens = tokens_of(sql);
  const std::vector<Token> statement = statement_of(tokens);
  expect(count_parameters(sql) == parameters_in(tokens));
  expect(count_parameters(sql, false) == parameters_in(tokens_of(sql, false)));
  try_use(sql, statement);
  try_kill(sql, statement);
  try_setup(sql, statement);
}

void try_command(Bytes payload) {
  expect(!describe_command(payload).empty());
  expect(static_cast<bool>(decode_statement_id(payload)) == (payload.size() >= 5));
  const auto id = decode_process_kill(payload);
  if (id) expect(describe_command(payload) == "KILL " + std::to_string(*id));
  const auto list = decode_field_list(payload);
  if (!list) return;
  expect(2 + list->table.size() + list->wildcard.size() == payload.size());
  const std::string text = describe_command(payload);
  const std::vector<Token> tokens = tokens_of(text);
  expect(is_finished(tokens) && tokens.size() == (list->wildcard.empty() ? 4 : 6));
  expect(unquoted(tokens[3]) == list->table);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes payload{reinterpret_cast<const std::byte*>(data), size};
  try_sql(as_text(payload));
  try_command(payload);
  return 0;
}
