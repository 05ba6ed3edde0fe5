#pragma once

#include "event/task.hh"
#include "lua/call.hh"

namespace perilune::lua {

// The last statement of a function that waits: parse the arguments, then `return await(L, task)`.
// The task starts after Lua is left, and never if waiting is impossible here (inside table.sort,
// …): then this throws. It runs outside Lua; what it returns is pushed inside; what it throws is
// raised.
int await(lua_State* L, event::Task<Push> task);

// The other half, called by the prelude when the coroutine goes on.
int collect(lua_State* L);

}  // namespace perilune::lua
