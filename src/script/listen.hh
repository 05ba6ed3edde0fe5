#pragma once

#include <cstdint>
#include <string>

#include "lua/api.hh"

namespace perilune::script {

// The digits of 0666 or '0666' as chmod means them. Throws lua::Error.
std::uint32_t parse_mode(const std::string& text);

// mysql_listen(address, handler [, options]): main chunk only.
int mysql_listen(lua_State* L);
int pgsql_listen(lua_State* L);
int tcp_listen(lua_State* L);

}  // namespace perilune::script
