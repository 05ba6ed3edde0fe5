#pragma once

#include "lua/api.hh"

namespace perilune::script {

// control_listen(address [, {multicast_group=, interface=, allow_uids=, from=}]): main chunk only.
int control_listen(lua_State* L);

}  // namespace perilune::script
