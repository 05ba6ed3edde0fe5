#pragma once

#include "lua/api.hh"

namespace perilune::script {

class SessionHooks;

void define_cgroups(lua_State* L);

// Pushes the client's cgroup, or nil; the client is at 1 on the stack.
void push_cgroup(lua_State* L, SessionHooks& hooks);

}  // namespace perilune::script
