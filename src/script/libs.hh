#pragma once

#include <span>
#include <string_view>

#include "lua/api.hh"
#include "lua/class.hh"
#include "lua/function.hh"

namespace perilune::script {

// Sets all libraries as fields of the table on top of the stack. To add one: a file lib_NAME.cc and
// a row in libs.cc.
void set_libraries(lua_State* L);

// Each pushes what scripts find under the library's name. Once a state; inside Lua.
void push_control_client(lua_State* L);
void push_json(lua_State* L);
void push_jwt(lua_State* L);
void push_metric(lua_State* L);
void push_pg(lua_State* L);
void push_re2(lua_State* L);
void push_shared(lua_State* L);
void push_socket_library(lua_State* L);
void push_sodium(lua_State* L);
void push_toml(lua_State* L);
void push_yaml(lua_State* L);

// Pushes a table of functions.
void push_library(lua_State* L, std::span<const lua::Function> functions);
// Pushes a function.
void push_function(lua_State* L, std::span<const lua::Function, 1> function);
// Gives the metatable on top of the stack methods.
void set_methods(lua_State* L, std::span<const lua::Function> methods);

// Defines a class whose objects have these methods.
template <typename Object>
void define_class(lua_State* L, std::span<const lua::Function> methods) {
  lua::Class<Object>::define(L, [methods](lua_State* l) {
    set_methods(l, methods);
  });
}

// --- what libraries share

// Throws unless the script gave so many arguments.
void check_count(lua_State* L, int least, int most);
// What I/O functions return when they fail: nil, message.
int push_failure(lua_State* L, std::string_view message);

}  // namespace perilune::script
