// The library `pg`:
//   pg:new(conninfo [, schema [, {connections=1}]]) → db
//   db:execute(sql [, params]) (waits) → result, or nil, message
//   db:listen(channel, function)
//   result:fetch([table [, 'a' or 'n']]) → a row, or nil after the last one
//   pg:encode_array(list), pg:decode_array(text)

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event/bell.hh"
#include "lua/class.hh"
#include "lua/options.hh"
#include "lua/wait.hh"
#include "pg/array.hh"
#include "pg/pool.hh"
#include "script/host.hh"
#include "script/libs.hh"

namespace perilune::script {

namespace {

constexpr std::array<std::string_view, 1> kOptions{"connections"};
constexpr std::uint64_t kMostConnections = 100;
constexpr std::size_t kMostParameters = 65535;  // of PostgreSQL's protocol
constexpr std::size_t kLongestName = 63;        // the server would cut a longer one

struct DatabaseObject {
  static constexpr const char* kClassName = "pg";
  std::shared_ptr<pg::Pool> pool;
};

struct ResultObject {
  static constexpr const char* kClassName = "pg.result";
  pg::Rows rows;
  int next = 0;
};

using Databases = lua::Class<DatabaseObject>;
using Results = lua::Class<ResultObject>;

// As C's functions see a text: what follows a NUL is not there.
std::string c_text(std::string_view text) { return std::string(text.substr(0, text.find('\0'))); }

// PostgreSQL reads a number with a fraction or an exponent as no integer.
std::string number_text(double number) {
  constexpr double kLargest = 9223372036854774784.0;  // below 2^63
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
  const bool is_integral = std::trunc(number) == number && std::fabs(number) <= kLargest;
  return is_integral ? fmt::format("{}", static_cast<std::int64_t>(number))
                     : fmt::format("{}", number);
}

// --- pg:new

unsigned read_connections(lua_State* L, int index) {
  if (lua_isnoneornil(L, index)) return 1;
  lua::check_table(L, index);
  const lua::Options options{L, index, "option", kOptions};
  const auto connections = options.integer("connections", kMostConnections).value_or(1);
  if (connections == 0) options.fail("connections", "at least 1 expected");
  return static_cast<unsigned>(connections);
}

int create(lua_State* L) {
  const std::string text = c_text(lua::check_text(L, 2));
  pg::PoolOptions options;
  if (!lua_isnoneornil(L, 3)) options.schema = c_text(lua::check_text(L, 3));
  options.connections = read_connections(L, 4);
  auto conninfo = pg::Conninfo::parse(text);
  if (!conninfo) throw lua::ArgumentError(2, conninfo.error().message);
  auto pool = std::make_shared<pg::Pool>(lua::State::of(L).loop(), Host::of(L).logger(),
                                         *std::move(conninfo), std::move(options));
  Databases::push(L, DatabaseObject{std::move(pool)});
  return 1;
}

// --- db:execute

// The parameter on top of the stack; false: of a type that cannot be one.
bool read_parameter(lua_State* L, std::optional<std::string>& value) {
  switch (lua_type(L, -1)) {
    case LUA_TNIL:
      return true;
    case LUA_TBOOLEAN:
      value = lua_toboolean(L, -1) != 0 ? "1" : "0";
      return true;
    case LUA_TNUMBER:
      value = number_text(lua_tonumber(L, -1));
      return true;
    case LUA_TSTRING:
      value = c_text(lua::text_at(L, -1));
      return true;
    default:
      return false;
  }
}

// `n`, if it is there: so that a list may have holes and end in nil.
std::size_t count_parameters(lua_State* L, int table) {
  lua_pushstring(L, "n");
  lua_rawget(L, table);
  double count = static_cast<double>(lua_objlen(L, table));
  if (lua_type(L, -1) == LUA_TNUMBER) count = lua_tonumber(L, -1);
  lua_pop(L, 1);
  const bool fits = count >= 0 && count <= static_cast<double>(kMostParameters);
  if (!fits || std::trunc(count) != count) {
    throw lua::ArgumentError(table, fmt::format("from 0 to {} parameters", kMostParameters));
  }
  return static_cast<std::size_t>(count);
}

// The name of a type that cannot be a parameter; null: all is well.
const char* read_parameters(lua_State* L, int table, pg::Query& query) {
  auto& parameters = query.parameters.emplace(count_parameters(L, table));
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    lua_rawgeti(L, table, static_cast<int>(i + 1));
    if (!read_parameter(L, parameters[i])) return luaL_typename(L, -1);
    lua_pop(L, 1);
  }
  return nullptr;
}

event::Task<lua::Push> execute_for(std::shared_ptr<pg::Pool> pool, pg::Query query) {
  pg::Answer answer = co_await pg::Pool::execute(std::move(pool), std::move(query));
  auto shared = std::make_shared<pg::Answer>(std::move(answer));
  co_return lua::Push{[shared](lua_State* L) {
    if (!*shared) return push_failure(L, shared->error().message);
    Results::push(L, ResultObject{*std::move(*shared)});
    return 1;
  }};
}

int execute(lua_State* L) {
  const DatabaseObject& self = Databases::check(L, 1);
  pg::Query query;
  query.text = c_text(lua::check_text(L, 2));
  if (!lua_isnoneornil(L, 3)) {
    lua::check_table(L, 3);
    if (const char* const type = read_parameters(L, 3, query)) {
      return push_failure(L, fmt::format("Unsupported query parameter type: {}", type));
    }
  }
  return lua::await(L, execute_for(self.pool, std::move(query)));
}

// --- db:listen

// Keeps the database: it need not be referred to by anything else. One call at a time; what comes
// during one makes another one.
event::Task<> run_listener(Host& host, [[maybe_unused]] std::shared_ptr<pg::Pool> pool,
                           std::shared_ptr<event::Bell> bell, int function) {
  for (;;) {
    co_await bell->rung();
    bell->reset();
    lua::Push push{[function](lua_State* L) {
      lua_rawgeti(L, LUA_REGISTRYINDEX, function);
      return 1;
    }};
    const Host::Alone how{"pg listener", stats::Callback::Notification, "callback_timeout",
                                host.settings().callback_timeout};
    co_await host.call_alone(how, std::move(push));
  }
}

std::string check_channel(lua_State* L, int index) {
  std::string name = c_text(lua::check_text(L, index));
  if (name.empty()) throw lua::ArgumentError(index, "the name of the channel is empty");
  if (name.size() > kLongestName) {
    throw lua::ArgumentError(
        index, fmt::format("the name of a channel has at most {} bytes", kLongestName));
  }
  return name;
}

int listen(lua_State* L) {
  const DatabaseObject& self = Databases::check(L, 1);
  std::string channel = check_channel(L, 2);
  lua::check_function(L, 3);
  const auto bell = std::make_shared<event::Bell>(lua::State::of(L).loop());
  if (!self.pool->listen(std::move(channel), [bell] { bell->ring(); })) {
    throw lua::Error("Duplicate notify name");
  }
  lua_pushvalue(L, 3);
  const int function = luaL_ref(L, LUA_REGISTRYINDEX);
  Host& host = Host::of(L);
  host.spawn(run_listener(host, self.pool, bell, function));
  return 0;
}

// --- result:fetch

void push_value(lua_State* L, const ResultObject& result, int column) {
  if (const auto value = result.rows.value(result.next, column)) {
    lua::push_text(L, *value);
  } else {
    lua_pushnil(L);
  }
}

// Into the table on top. A NULL removes what the table had there.
void fill_row(lua_State* L, const ResultObject& result, bool by_name) {
  for (int column = 0; column < result.rows.columns(); ++column) {
    if (by_name) {
      lua::push_text(L, result.rows.name(column));
      push_value(L, result, column);
      lua_rawset(L, -3);
    } else {
      push_value(L, result, column);
      lua_rawseti(L, -2, column + 1);
    }
  }
}

int fetch(lua_State* L) {
  ResultObject& self = Results::check(L, 1);
  const bool has_table = !lua_isnoneornil(L, 2);
  if (has_table) lua::check_table(L, 2);
  const std::string_view mode = lua_isnoneornil(L, 3) ? "a" : lua::check_text(L, 3);
  if (mode != "a" && mode != "n") throw lua::ArgumentError(3, "Bad mode");
  if (self.next >= self.rows.rows()) {
    lua_pushnil(L);
    return 1;
  }
  if (has_table) {
    lua_pushvalue(L, 2);
  } else {
    lua_createtable(L, mode == "n" ? self.rows.columns() : 0, 0);
  }
  fill_row(L, self, mode == "a");
  ++self.next;
  return 1;
}

// --- arrays

std::string check_element(lua_State* L) {
  switch (lua_type(L, -1)) {
    case LUA_TNUMBER:
      return number_text(lua_tonumber(L, -1));
    case LUA_TSTRING:
      return c_text(lua::text_at(L, -1));
    default:
      throw lua::ArgumentError(
          2, fmt::format("a list of strings and numbers expected, got a {}", luaL_typename(L, -1)));
  }
}

int encode_array(lua_State* L) {
  lua::check_table(L, 2);
  std::vector<std::string> elements(lua_objlen(L, 2));
  for (std::size_t i = 0; i < elements.size(); ++i) {
    lua_rawgeti(L, 2, static_cast<int>(i + 1));
    elements[i] = check_element(L);
    lua_pop(L, 1);
  }
  lua::push_text(L, pg::encode_array(elements));
  return 1;
}

int decode_array(lua_State* L) {
  const auto elements = pg::decode_array(lua::check_text(L, 2));
  if (!elements) throw lua::ArgumentError(2, elements.error().message);
  lua_createtable(L, static_cast<int>(elements->size()), 0);
  int index = 0;
  for (const std::string& element : *elements) {
    lua::push_text(L, element);
    lua_rawseti(L, -2, ++index);
  }
  return 1;
}

constexpr lua::Function kDatabase[] = {
    {"execute", lua::guarded<execute>, true},
    {"listen", lua::guarded<listen>},
};
constexpr lua::Function kResult[] = {{"fetch", lua::guarded<fetch>}};
constexpr lua::Function kLibrary[] = {
    {"decode_array", lua::guarded<decode_array>},
    {"encode_array", lua::guarded<encode_array>},
    {"new", lua::guarded<create>},
};

}  // namespace

void push_pg(lua_State* L) {
  define_class<DatabaseObject>(L, kDatabase);
  define_class<ResultObject>(L, kResult);
  push_library(L, kLibrary);
}

}  // namespace perilune::script
