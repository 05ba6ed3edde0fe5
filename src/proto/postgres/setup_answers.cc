#include "proto/postgres/setup_answers.hh"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "wire/postgres/sql.hh"

namespace perilune::proto::postgres {

namespace wire = perilune::wire::postgres;
using session::StatementDecision;

namespace {

// They succeed, and nothing depends on it.
constexpr std::array<std::string_view, 15> kSucceed{
    "",        "ABORT", "BEGIN",    "CLOSE",     "COMMIT", "DEALLOCATE", "DISCARD", "END",
    "RELEASE", "RESET", "ROLLBACK", "SAVEPOINT", "SET",    "START",      "UNLISTEN"};

// Without blanks, a semicolon at the end and the difference between small and capital letters.
std::string essence_of(std::string_view text) {
  std::string essence;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') continue;
    essence += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  while (essence.ends_with(';')) essence.pop_back();
  return essence;
}

StatementDecision row(std::string column, std::string value) {
  auto table = std::make_shared<session::ResultTable>();
  table->columns.push_back(std::move(column));
  table->rows.push_back({Value{std::move(value)}});
  return std::shared_ptr<const session::ResultTable>(std::move(table));
}

// The longest statement that is one of these.
constexpr std::size_t kLongest = 64;

std::optional<StatementDecision> answer_question(const session::Session& session,
                                                 std::string_view text) {
  if (text.size() > kLongest) return std::nullopt;
  const std::string essence = essence_of(text);
  const std::string& version = session.server_version.text();
  if (essence == "select1") return row("?column?", "1");
  if (essence == "selectversion()") return row("version", "PostgreSQL " + version + " (Perilune)");
  if (essence == "showserver_version") return row("server_version", version);
  if (essence == "showtransaction_isolation" || essence == "showtransactionisolationlevel") {
    return row("transaction_isolation", "read committed");
  }
  if (essence == "showstandard_conforming_strings") return row("standard_conforming_strings", "on");
  if (essence == "selectcurrent_schema()" || essence == "selectcurrent_schema") {
    return row("current_schema", "public");
  }
  if (essence == "selectcurrent_database()")
    return row("current_database", session.database.text());
  if (essence == "selectcurrent_catalog") return row("current_catalog", session.database.text());
  if (essence == "showtransaction_read_only") return row("transaction_read_only", "off");
  if (essence == "selectcurrent_user" || essence == "selectcurrent_user()") {
    return row("current_user", session.user.text());
  }
  return std::nullopt;
}

}  // namespace

std::optional<StatementDecision> answer_setup(const session::Session& session,
                                              std::string_view text) {
  const std::string verb = wire::first_word(text);
  if (std::ranges::find(kSucceed, verb) != kSucceed.end()) return session::Succeed{};
  return answer_question(session, text);
}

}  // namespace perilune::proto::postgres
