#pragma once

#include "lua/api.hh"

namespace perilune::script {

// What lua/limits.lua is made of. The first argument is a shared dictionary.

// take(dictionary, key, tokens, rate, burst) → whether they were taken, how many are left (below
// zero: how many are missing); less than none are given back
int take_tokens(lua_State* L);
// enter(dictionary, key, most, client) → whether the session is, or was already, among so many
int enter_place(lua_State* L);
// leave(dictionary, key, client)
int leave_place(lua_State* L);

}  // namespace perilune::script
