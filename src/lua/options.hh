#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lua/api.hh"
#include "util/clock.hh"

namespace perilune::lua {

// Reads a table of named options. For use inside Lua functions; all of it throws lua::Error.
class Options {
 public:
  // `kind` is "option", "setting", …: a key that is none of `names` is an error that names the
  // nearest one.
  Options(lua_State* L, int table, std::string_view kind, std::span<const std::string_view> names);

  bool has(std::string_view name) const;
  std::optional<std::string> text(std::string_view name) const;
  std::optional<bool> boolean(std::string_view name) const;
  std::optional<std::uint64_t> integer(std::string_view name, std::uint64_t max) const;
  std::optional<std::uint64_t> size(std::string_view name) const;  // 1024 or '16M'
  std::optional<Millis> duration(std::string_view name) const;     // seconds or '500ms'
  // A list of strings, at least one.
  std::optional<std::vector<std::string>> texts(std::string_view name) const;
  // Pushes a table, which the caller pops after use; false and nothing when it is nil.
  bool push_table(std::string_view name) const;

  [[noreturn]] void fail(std::string_view name, std::string_view why) const;

 private:
  // Pushes the value; false (and nothing pushed) when it is nil.
  bool push(std::string_view name) const;
  [[noreturn]] void fail_type(std::string_view name, std::string_view expected) const;

  lua_State* L_;
  int table_;
};

// Calls visitor(key) for every key of a table, which must be strings; the value is on top of the
// stack and must stay there.
template <typename Visitor>
void for_each_key(lua_State* L, int table, std::string_view kind, Visitor&& visitor);

[[noreturn]] void fail_key(lua_State* L, std::string_view kind);

template <typename Visitor>
void for_each_key(lua_State* L, int table, std::string_view kind, Visitor&& visitor) {
  for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) fail_key(L, kind);
    std::size_t size = 0;
    const char* const key = lua_tolstring(L, -2, &size);
    visitor(std::string_view(key, size));
  }
}

}  // namespace perilune::lua
