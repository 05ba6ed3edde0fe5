#pragma once

#include <string_view>

#include "lua/api.hh"

namespace perilune::lua {

// Pushes the text as a function that is interpreted, so that it can be aborted, and returns true;
// or pushes the compiler's message. `name` as Lua wants it: "@file" or "=name". A first line that
// begins with # is skipped. Inside Lua.
bool push_chunk(lua_State* L, std::string_view text, const char* name);

}  // namespace perilune::lua
