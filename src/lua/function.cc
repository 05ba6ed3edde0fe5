#include "lua/function.hh"

#include <fmt/format.h>

#include "lua/native.hh"
#include "lua/state.hh"

namespace perilune::lua {

namespace {

// A function that waits is called by a wrapper of the prelude: its caller is one level further.
bool is_wrapped(lua_State* L) { return lua_toboolean(L, lua_upvalueindex(2)) != 0; }

const char* name_of(lua_State* L) { return lua_tostring(L, lua_upvalueindex(1)); }

bool is_method_call(lua_State* L) {
  lua_Debug activation;
  if (lua_getstack(L, is_wrapped(L) ? 1 : 0, &activation) == 0) return false;
  lua_getinfo(L, "n", &activation);
  return std::string_view(activation.namewhat) == "method";
}

// LuaJIT lets garbage grow as large as what lives, and does not look for any when memory runs out.
constexpr std::size_t kLargeText = 256UL * 1024;

// The script will want to work with it, too.
void make_room(lua_State* L, std::size_t size) {
  const Memory& memory = State::of(L).memory();
  if (memory.limit() > 0 && memory.used() + 3 * size > memory.limit()) lua_gc(L, LUA_GCCOLLECT, 0);
}

}  // namespace

void raise(lua_State* L, const std::string& message) {
  luaL_where(L, is_wrapped(L) ? 2 : 1);
  push_text(L, message);
  lua_concat(L, 2);
  lua_error(L);
  std::terminate();  // lua_error does not return
}

std::string describe(lua_State* L, const ArgumentError& error) {
  const int index = is_method_call(L) ? error.index() - 1 : error.index();
  if (index == 0) return fmt::format("calling '{}' on bad self ({})", name_of(L), error.what());
  return fmt::format("bad argument #{} to '{}' ({})", index, name_of(L), error.what());
}

void set_functions(lua_State* L, std::span<const Function> functions) {
  for (const Function& function : functions) {
    if (function.waits) lua_rawgeti(L, LUA_REGISTRYINDEX, kWaitsReference);
    lua_pushstring(L, function.name);
    lua_pushboolean(L, function.waits);
    lua_pushcclosure(L, function.body, 2);
    if (function.waits) lua_call(L, 1, 1);
    lua_setfield(L, -2, function.name);
  }
}

std::string_view check_text(lua_State* L, int index) {
  if (lua_isstring(L, index) == 0) fail_type(L, index, "string");
  return text_at(L, index);
}

double check_number(lua_State* L, int index) {
  if (lua_isnumber(L, index) == 0) fail_type(L, index, "number");
  return lua_tonumber(L, index);
}

void check_function(lua_State* L, int index) {
  if (!lua_isfunction(L, index)) fail_type(L, index, "function");
}

void check_table(lua_State* L, int index) {
  if (!lua_istable(L, index)) fail_type(L, index, "table");
}

void fail_type(lua_State* L, int index, std::string_view expected) {
  const char* const actual = lua_isnone(L, index) ? "no value" : luaL_typename(L, index);
  throw ArgumentError(index, fmt::format("{} expected, got {}", expected, actual));
}

void push_text(lua_State* L, std::string_view text) {
  if (text.size() >= kLargeText) make_room(L, text.size());
  lua_pushlstring(L, text.data(), text.size());
}

std::string_view text_at(lua_State* L, int index) {
  std::size_t size = 0;
  const char* const text = lua_tolstring(L, index, &size);
  return {text, size};
}

}  // namespace perilune::lua
