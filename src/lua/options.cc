#include "lua/options.hh"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "lua/error.hh"
#include "lua/function.hh"
#include "util/parse.hh"
#include "util/suggest.hh"

namespace perilune::lua {

Options::Options(lua_State* L, int table, std::string_view kind,
                 std::span<const std::string_view> names)
    : L_(L), table_(table) {
  for_each_key(L, table, kind, [kind, names](std::string_view key) {
    if (std::ranges::find(names, key) == names.end()) throw Error(unknown_name(kind, key, names));
  });
}

bool Options::push(std::string_view name) const {
  push_text(L_, name);
  lua_rawget(L_, table_);
  if (!lua_isnil(L_, -1)) return true;
  lua_pop(L_, 1);
  return false;
}

bool Options::has(std::string_view name) const {
  if (!push(name)) return false;
  lua_pop(L_, 1);
  return true;
}

std::optional<std::string> Options::text(std::string_view name) const {
  if (!push(name)) return std::nullopt;
  if (lua_isstring(L_, -1) == 0) fail_type(name, "string");
  std::string value{text_at(L_, -1)};
  lua_pop(L_, 1);
  return value;
}

std::optional<bool> Options::boolean(std::string_view name) const {
  if (!push(name)) return std::nullopt;
  if (!lua_isboolean(L_, -1)) fail_type(name, "boolean");
  const bool value = lua_toboolean(L_, -1) != 0;
  lua_pop(L_, 1);
  return value;
}

std::optional<std::uint64_t> Options::integer(std::string_view name, std::uint64_t max) const {
  if (!push(name)) return std::nullopt;
  if (lua_isnumber(L_, -1) == 0) fail_type(name, "number");
  const double value = lua_tonumber(L_, -1);
  const bool fits = value >= 0 && value <= static_cast<double>(max) && std::floor(value) == value;
  if (!fits) fail(name, fmt::format("a whole number from 0 to {} expected", max));
  lua_pop(L_, 1);
  return static_cast<std::uint64_t>(value);
}

std::optional<std::uint64_t> Options::size(std::string_view name) const {
  if (!push(name)) return std::nullopt;
  if (lua_isstring(L_, -1) == 0) fail_type(name, "size");
  const auto value = parse_size(text_at(L_, -1));
  if (!value) fail(name, value.error().message);
  lua_pop(L_, 1);
  return *value;
}

std::optional<Millis> Options::duration(std::string_view name) const {
  if (!push(name)) return std::nullopt;
  if (lua_isstring(L_, -1) == 0) fail_type(name, "number of seconds");
  const auto value = lua_type(L_, -1) == LUA_TNUMBER ? duration_from_seconds(lua_tonumber(L_, -1))
                                                     : parse_duration(text_at(L_, -1));
  if (!value) fail(name, value.error().message);
  lua_pop(L_, 1);
  return *value;
}

std::optional<std::vector<std::string>> Options::texts(std::string_view name) const {
  if (!push_table(name)) return std::nullopt;
  const int list = lua_gettop(L_);
  std::vector<std::string> values;
  for (lua_pushnil(L_); lua_next(L_, list) != 0; lua_pop(L_, 1)) {
    // In any other order, or with other keys, it is no list.
    lua_rawgeti(L_, list, static_cast<int>(values.size() + 1));
    if (lua_type(L_, -1) != LUA_TSTRING) fail(name, "a list of strings expected");
    values.emplace_back(text_at(L_, -1));
    lua_pop(L_, 1);
  }
  if (values.empty()) fail(name, "at least one string expected");
  lua_pop(L_, 1);
  return values;
}

bool Options::push_table(std::string_view name) const {
  if (!push(name)) return false;
  if (!lua_istable(L_, -1)) fail_type(name, "table");
  return true;
}

void Options::fail(std::string_view name, std::string_view why) const {
  throw Error(fmt::format("bad '{}' value ({})", name, why));
}

void Options::fail_type(std::string_view name, std::string_view expected) const {
  fail(name, fmt::format("{} expected, got {}", expected, luaL_typename(L_, -1)));
}

void fail_key(lua_State* L, std::string_view kind) {
  throw Error(fmt::format("{} names are strings, got a {}", kind, luaL_typename(L, -2)));
}

}  // namespace perilune::lua
