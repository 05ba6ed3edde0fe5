#pragma once

#include "lua/api.hh"

namespace perilune::script {

// mysql_listen(address, handler [, options]): main chunk only.
int mysql_listen(lua_State* L);
int pgsql_listen(lua_State* L);
int tcp_listen(lua_State* L);

}  // namespace perilune::script
