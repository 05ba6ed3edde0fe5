// What a callback may answer to a statement.

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "lua/class.hh"
#include "lua/function.hh"
#include "lua/options.hh"
#include "script/action.hh"
#include "util/value.hh"

namespace perilune::script {

namespace {

using Actions = lua::Class<Action>;
using session::ResultTable;

constexpr std::size_t kMostColumns = 4096;  // the servers' own limit
// Integers are exact in Lua's numbers up to here.
constexpr double kExact = 9007199254740992.0;

std::string check_nonempty(lua_State* L, int index) {
  std::string text{lua::check_text(L, index)};
  if (text.empty()) throw lua::Error("Empty string not allowed");
  return text;
}

Value number_value(double number) {
  const bool integral = std::trunc(number) == number && std::abs(number) <= kExact;
  if (integral) return static_cast<std::int64_t>(number);
  return number;
}

// The value on top of the stack.
Value read_value(lua_State* L) {
  switch (lua_type(L, -1)) {
    case LUA_TNIL:
      return std::monostate{};
    case LUA_TBOOLEAN:
      return lua_toboolean(L, -1) != 0;
    case LUA_TNUMBER:
      return number_value(lua_tonumber(L, -1));
    case LUA_TSTRING:
      return std::string(lua::text_at(L, -1));
    default:
      throw lua::Error(fmt::format("a row holds a {}; strings, numbers, booleans and nil are values",
                                   luaL_typename(L, -1)));
  }
}

// A table on top of the stack, of raw positions 1…n.
std::vector<std::string> read_columns(lua_State* L) {
  std::vector<std::string> columns;
  const std::size_t count = lua_objlen(L, -1);
  if (count == 0) throw lua::Error("bad 'columns' value (at least one name expected)");
  if (count > kMostColumns) throw lua::Error("bad 'columns' value (too many)");
  for (std::size_t i = 1; i <= count; ++i, lua_pop(L, 1)) {
    lua_rawgeti(L, -1, static_cast<int>(i));
    if (lua_type(L, -1) != LUA_TSTRING) throw lua::Error("bad 'columns' value (names expected)");
    columns.emplace_back(lua::text_at(L, -1));
  }
  return columns;
}

// A row may be shorter by what is nil at its end, never longer.
std::vector<Value> read_row(lua_State* L, std::size_t columns, std::size_t number) {
  if (!lua_istable(L, -1)) {
    throw lua::Error(fmt::format("row {} is not a table but a {}", number, luaL_typename(L, -1)));
  }
  lua_rawgeti(L, -1, static_cast<int>(columns + 1));
  if (!lua_isnil(L, -1)) throw lua::Error(fmt::format("row {} has more values than columns", number));
  lua_pop(L, 1);
  std::vector<Value> row;
  row.reserve(columns);
  for (std::size_t i = 1; i <= columns; ++i, lua_pop(L, 1)) {
    lua_rawgeti(L, -1, static_cast<int>(i));
    row.push_back(read_value(L));
  }
  return row;
}

void read_rows(lua_State* L, ResultTable& table) {
  const std::size_t count = lua_objlen(L, -1);
  table.rows.reserve(count);
  for (std::size_t i = 1; i <= count; ++i, lua_pop(L, 1)) {
    lua_rawgeti(L, -1, static_cast<int>(i));
    table.rows.push_back(read_row(L, table.columns.size(), i));
  }
}

}  // namespace

int push_query_action(lua_State* L) {
  check_argument_count(L, 1, 1);
  Actions::push(L, Action{session::SendInstead{check_nonempty(L, 2)}});
  return 1;
}

int push_init_db_action(lua_State* L) {
  check_argument_count(L, 1, 1);
  Actions::push(L, Action{session::UseDatabase{std::string(lua::check_text(L, 2))}});
  return 1;
}

int push_ok_action(lua_State* L) {
  check_argument_count(L, 0, 1);
  session::Succeed success;
  if (!lua_isnoneornil(L, 2)) {
    const double affected = lua::check_number(L, 2);
    const bool fits = affected >= 0 && affected <= kExact && std::trunc(affected) == affected;
    if (!fits) throw lua::Error("bad number of affected rows");
    success.affected_rows = static_cast<std::uint64_t>(affected);
  }
  Actions::push(L, Action{success});
  return 1;
}

int push_result_action(lua_State* L) {
  constexpr std::array<std::string_view, 2> kNames{"columns", "rows"};
  check_argument_count(L, 1, 1);
  lua::check_table(L, 2);
  const lua::Options options{L, 2, "field of the result", kNames};
  auto table = std::make_shared<ResultTable>();
  if (!options.push_table("columns")) throw lua::Error("the result has no 'columns'");
  table->columns = read_columns(L);
  lua_pop(L, 1);
  if (options.push_table("rows")) {
    read_rows(L, *table);
    lua_pop(L, 1);
  }
  Actions::push(L, Action{std::shared_ptr<const ResultTable>(std::move(table))});
  return 1;
}

}  // namespace perilune::script
