#include "proto/mysql/setup_answers.hh"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "proto/mysql/errors.hh"
#include "util/value.hh"
#include "wire/mysql/setup_statement.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;
using session::ResultTable;
using session::StatementDecision;

namespace {

struct Variable {
  std::string_view name;
  std::string_view value;
};

// What clients and connectors ask for; sorted. `version` is the session's.
constexpr Variable kVariables[] = {
    {"auto_increment_increment", "1"},
    {"auto_increment_offset", "1"},
    {"autocommit", "1"},
    {"character_set_client", "utf8mb4"},
    {"character_set_connection", "utf8mb4"},
    {"character_set_database", "utf8mb4"},
    {"character_set_results", "utf8mb4"},
    {"character_set_server", "utf8mb4"},
    {"character_set_system", "utf8mb3"},
    {"collation_connection", "utf8mb4_general_ci"},
    {"collation_database", "utf8mb4_general_ci"},
    {"collation_server", "utf8mb4_general_ci"},
    {"default_storage_engine", ""},
    {"error_count", "0"},
    {"foreign_key_checks", "1"},
    {"have_openssl", "YES"},
    {"have_ssl", "YES"},
    {"identity", "0"},
    {"init_connect", ""},
    {"interactive_timeout", "28800"},
    {"last_insert_id", "0"},
    {"license", "BSD"},
    {"lower_case_file_system", "OFF"},
    {"lower_case_table_names", "0"},
    {"max_allowed_packet", "16777216"},
    {"net_buffer_length", "16384"},
    {"net_read_timeout", "30"},
    {"net_write_timeout", "60"},
    {"performance_schema", "0"},
    {"protocol_version", "10"},
    {"query_cache_size", "0"},
    {"query_cache_type", "OFF"},
    {"read_only", "0"},
    {"sql_auto_is_null", "0"},
    {"sql_mode", ""},
    {"sql_safe_updates", "0"},
    {"sql_select_limit", "18446744073709551615"},
    {"storage_engine", ""},
    {"system_time_zone", "UTC"},
    {"time_zone", "SYSTEM"},
    {"transaction_isolation", "REPEATABLE-READ"},
    {"transaction_read_only", "0"},
    {"tx_isolation", "REPEATABLE-READ"},
    {"tx_read_only", "0"},
    {"unique_checks", "1"},
    {"version", ""},
    {"version_comment", "Perilune"},
    {"version_compile_machine", ""},
    {"version_compile_os", "Linux"},
    {"wait_timeout", "28800"},
    {"warning_count", "0"},
};

// A list that is empty here, with the columns that clients look for.
struct List {
  std::string_view what;
  std::vector<std::string> columns;
};

const std::vector<List>& lists() {
  static const std::vector<List> all{
      {"CHARSET", {"Charset", "Description", "Default collation", "Maxlen"}},
      {"COLLATION", {"Collation", "Charset", "Id", "Default", "Compiled", "Sortlen"}},
      {"DATABASES", {"Database"}},
      {"ENGINES", {"Engine", "Support", "Comment", "Transactions", "XA", "Savepoints"}},
      {"ERRORS", {"Level", "Code", "Message"}},
      {"EVENTS", {"Db", "Name"}},
      {"FUNCTION", {"Db", "Name", "Type"}},
      {"PLUGINS", {"Name", "Status", "Type", "Library", "License"}},
      {"PROCEDURE", {"Db", "Name", "Type"}},
      {"PROCESSLIST", {"Id", "User", "Host", "db", "Command", "Time", "State", "Info"}},
      {"SCHEMAS", {"Database"}},
      {"STATUS", {"Variable_name", "Value"}},
      {"TABLES", {"Tables"}},
      {"TRIGGERS", {"Trigger", "Event", "Table", "Statement", "Timing"}},
      {"WARNINGS", {"Level", "Code", "Message"}}};
  return all;
}

std::string to_lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return text;
}

// LIKE's pattern, in lower case.
bool matches_like(std::string_view text, std::string_view pattern) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() == '%') {
    const std::string_view rest = pattern.substr(1);
    return matches_like(text, rest) || (!text.empty() && matches_like(text.substr(1), pattern));
  }
  if (text.empty()) return false;
  const bool escaped = pattern.front() == '\\' && pattern.size() > 1;
  if (escaped) pattern.remove_prefix(1);
  const bool any = !escaped && pattern.front() == '_';
  return (any || pattern.front() == text.front()) &&
         matches_like(text.substr(1), pattern.substr(1));
}

Value value_of(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = !text.empty() && error == std::errc{} && end == text.data() + text.size();
  if (is_number) return number;
  return std::string(text);
}

StatementDecision table_of(std::vector<std::string> columns, std::vector<std::vector<Value>> rows) {
  auto table = std::make_shared<ResultTable>();
  table->columns = std::move(columns);
  table->rows = std::move(rows);
  return std::shared_ptr<const ResultTable>(std::move(table));
}

StatementDecision unknown_variable(const std::string& name) {
  session::Refuse refusal;
  refusal.message = fmt::format("Unknown system variable '{}'", name);
  refusal.code = static_cast<std::uint16_t>(wire::ErrorCode::UnknownSystemVariable);
  refusal.sqlstate = "HY000";
  return refusal;
}

// Answers each kind of statement.
class Answering {
 public:
  explicit Answering(const session::Session& session) noexcept : session_(session) {}

  StatementDecision operator()(const wire::SetStatement&) const { return session::Succeed{}; }
  StatementDecision operator()(wire::TransactionStatement) const { return session::Succeed{}; }
  StatementDecision operator()(const wire::UseStatement&) const { return session::Succeed{}; }

  StatementDecision operator()(const wire::SelectStatement& select) const {
    std::vector<std::string> columns;
    std::vector<Value> row;
    for (const wire::SelectItem& item : select.items) {
      auto value = evaluate(item);
      if (!value) {
        return unknown_variable(std::get<wire::SystemVariable>(item.expression).name);
      }
      columns.push_back(item.column);
      row.push_back(*std::move(value));
    }
    return table_of(std::move(columns), {std::move(row)});
  }

  StatementDecision operator()(const wire::ShowStatement& show) const {
    if (show.what == "VARIABLES") return show_variables(show);
    const auto list = std::ranges::find(lists(), show.what, &List::what);
    if (list != lists().end()) return table_of(list->columns, {});
    session::Refuse refusal;
    refusal.message = fmt::format("SHOW {} is not answered here", show.what);
    return refusal;
  }

 private:
  std::optional<Value> evaluate(const wire::SelectItem& item) const {
    if (const auto* value = std::get_if<Value>(&item.expression)) return *value;
    if (const auto* function = std::get_if<wire::SetupFunction>(&item.expression)) {
      return call(*function);
    }
    const std::string name = to_lower(std::get<wire::SystemVariable>(item.expression).name);
    const auto found = std::ranges::find(kVariables, name, &Variable::name);
    if (found == std::end(kVariables)) return std::nullopt;
    return value_of(text_of(*found));
  }

  Value call(wire::SetupFunction function) const {
    switch (function) {
      case wire::SetupFunction::Database:
        if (session_.database.empty()) return std::monostate{};
        return session_.database.text();
      case wire::SetupFunction::ConnectionId:
        return static_cast<std::int64_t>(session_.id());
      case wire::SetupFunction::Version:
        return session_.server_version.text();
      case wire::SetupFunction::User:
      case wire::SetupFunction::CurrentUser:
        break;
    }
    const std::string host = session_.is_local() ? "localhost" : session_.peer().host();
    return session_.user.text() + '@' + host;
  }

  StatementDecision show_variables(const wire::ShowStatement& show) const {
    const std::string pattern = to_lower(show.pattern.value_or("%"));
    std::vector<std::vector<Value>> rows;
    for (const Variable& variable : kVariables) {
      if (!matches_like(variable.name, pattern)) continue;
      rows.push_back({std::string(variable.name), std::string(text_of(variable))});
    }
    return table_of({"Variable_name", "Value"}, std::move(rows));
  }

  std::string_view text_of(const Variable& variable) const {
    return variable.name == "version" ? std::string_view(session_.server_version.text())
                                      : variable.value;
  }

  const session::Session& session_;
};

}  // namespace

std::optional<StatementDecision> answer_setup(const session::Session& session,
                                              std::string_view sql) {
  const auto statement = wire::parse_setup(sql);
  if (!statement) return std::nullopt;
  return std::visit(Answering{session}, *statement);
}

}  // namespace perilune::proto::mysql
