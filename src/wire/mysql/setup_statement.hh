#pragma once

// The statements that clients send to set up a session, as data: for sessions that no server
// answers. As in sql.hh, one statement is the whole text.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "util/value.hh"

namespace perilune::wire::mysql {

// "SET ...", whatever it sets.
struct SetStatement {};

// "BEGIN", "START TRANSACTION ...", "COMMIT", "ROLLBACK", but not to a savepoint.
enum class TransactionStatement : std::uint8_t { Begin, Commit, Rollback };

// "USE name".
struct UseStatement {
  std::string database;
};

enum class VariableScope : std::uint8_t { Any, Session, Global };

// @@name, @@session.name (also local), @@global.name. The name is as it was written.
struct SystemVariable {
  VariableScope scope = VariableScope::Any;
  std::string name;
};

enum class SetupFunction : std::uint8_t { Database, User, CurrentUser, ConnectionId, Version };

struct SelectItem {
  std::string column;  // the alias, or what servers call it without one
  std::variant<SystemVariable, SetupFunction, Value> expression;
};

// "SELECT item, ... [LIMIT 1]": one row.
struct SelectStatement {
  std::vector<SelectItem> items;
};

// "SHOW [FULL | SESSION | GLOBAL ...] what ...".
struct ShowStatement {
  std::string what;  // one word in upper case; "CHARSET" for CHARACTER SET too
  VariableScope scope = VariableScope::Any;
  std::optional<std::string> pattern;  // of a LIKE that is all the rest
  bool restricted = false;             // something else follows: WHERE, FROM, LIMIT
};

using SetupStatement =
    std::variant<SetStatement, TransactionStatement, UseStatement, SelectStatement, ShowStatement>;

// Nothing for everything else.
std::optional<SetupStatement> parse_setup(std::string_view sql);

}  // namespace perilune::wire::mysql
