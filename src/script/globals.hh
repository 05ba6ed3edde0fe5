#pragma once

#include "lua/api.hh"

namespace perilune::script {

// Once a state: defines all classes and sets all global functions, which are in the table
// `perilune` too. Inside Lua.
void open_globals(lua_State* L);

// Throws "… belongs to the main chunk" once that has ended.
void check_is_loading(lua_State* L, const char* name);

}  // namespace perilune::script
