#pragma once

#include "lua/api.hh"

namespace perilune::script {

// settings{workers=, …}: main chunk only; several calls add up.
int settings(lua_State* L);

}  // namespace perilune::script
