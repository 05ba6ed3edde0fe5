#pragma once

#include "lua/api.hh"

namespace perilune::script {

// Makes the modules that come with the daemon known to require. Once a state; inside Lua.
void open_modules(lua_State* L);

}  // namespace perilune::script
