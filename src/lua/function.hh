#pragma once

#include <cassert>
#include <exception>
#include <span>
#include <string>
#include <string_view>

#include "lua/api.hh"
#include "lua/error.hh"

namespace perilune::lua {

// A C++ function for Lua. Made by set_functions(), which gives it its name as first upvalue.
struct Function {
  const char* name;
  lua_CFunction body;  // guarded<f>
  bool waits = false;  // ends with `return await(…)`
};

// Raises what a guarded body threw, with the position of the script's call.
[[noreturn]] void raise(lua_State* L, const std::string& message);
std::string describe(lua_State* L, const ArgumentError& error);

// The only form in which C++ functions are given to Lua: exceptions of C++ become Lua errors, after
// their handler is left. Bodies must not be noexcept, as Lua errors pass through them.
template <int (*Body)(lua_State*)>
int guarded(lua_State* L) {
  std::string message;
  try {
    const int results = Body(L);
    assert(results <= lua_gettop(L));
    return results;
  } catch (const ArgumentError& error) {
    message = describe(L, error);
  } catch (const std::exception& error) {
    message = error.what();
  }
  raise(L, message);
}

// Sets the functions as fields of the table on top of the stack.
void set_functions(lua_State* L, std::span<const Function> functions);

// Arguments; they throw ArgumentError. Texts are Lua's own: valid while the argument is.
std::string_view check_text(lua_State* L, int index);
double check_number(lua_State* L, int index);
void check_function(lua_State* L, int index);
void check_table(lua_State* L, int index);
// "string expected, got nil" for the argument.
[[noreturn]] void fail_type(lua_State* L, int index, std::string_view expected);

void push_text(lua_State* L, std::string_view text);

// The text of a string or a number, which becomes a string in its place.
std::string_view text_at(lua_State* L, int index);

}  // namespace perilune::lua
