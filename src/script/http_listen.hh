#pragma once

#include "lua/api.hh"

namespace perilune::script {

// prometheus_listen(address [, {mode=, user=, group=}]): main chunk only.
int prometheus_listen(lua_State* L);
// admin_listen([address [, {token_file=, mode=, user=, group=}]]): main chunk only.
int admin_listen(lua_State* L);

}  // namespace perilune::script
