#pragma once

#include "lua/api.hh"

namespace perilune::lua {

// Places in the registry that State and the prelude know, in the range of luaL_ref.
enum FixedReference : int {
  kTrampolineReference = 1,
  kPrepareReference,
  kOverReference,
  kEnterReference,
  kWaitsReference,      // the prelude's function that makes a C function wait
  kParkReference,       // the value that a coroutine yields when it waits
  kParentsReference,    // coroutine → the one that resumed it last; weak
  kWaitingReference,    // coroutine → true while it waits; weak keys
  kResumableReference,  // C functions that can be waited through → true
  kLastFixedReference = kResumableReference,
};

// Makes luaL_ref count from after the fixed places; the registry must be fresh.
void reserve_references(lua_State* L);

// Pushes the table of what the prelude gets from C++.
void push_native(lua_State* L);

}  // namespace perilune::lua
