#include "lua/chunk.hh"

#include <algorithm>

namespace perilune::lua {

bool push_chunk(lua_State* L, std::string_view text, const char* name) {
  // The line's end stays: line numbers count.
  if (text.starts_with('#')) text.remove_prefix(std::min(text.find('\n'), text.size()));
  if (luaL_loadbuffer(L, text.data(), text.size(), name) != 0) return false;
  luaJIT_setmode(L, -1, LUAJIT_MODE_ALLFUNC | LUAJIT_MODE_OFF);
  return true;
}

}  // namespace perilune::lua
