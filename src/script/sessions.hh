#pragma once

#include "lua/api.hh"

namespace perilune::script {

// sessions() (waits) → a list of tables, one for each session of all workers, ordered by id.
int sessions(lua_State* L);

// local_sessions() → a list of the clients of this worker that this script has to do with, ordered
// by id: those of another generation belong to another Lua state.
int local_sessions(lua_State* L);

// disconnect(id) (waits) → whether there is such a session in any worker, which ends now.
int disconnect(lua_State* L);

}  // namespace perilune::script
