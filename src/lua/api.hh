#pragma once

// The C interface of LuaJIT.
#include <lua.hpp>
