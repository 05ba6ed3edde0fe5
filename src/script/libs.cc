#include "script/libs.hh"

#include <fmt/format.h>

namespace perilune::script {

namespace {

struct Library {
  const char* name;
  void (*push)(lua_State* L);
};

constexpr Library kLibraries[] = {
    {"control_client", push_control_client},
    {"json", push_json},
    {"pg", push_pg},
    {"toml", push_toml},
    {"yaml", push_yaml},
};

}  // namespace

void set_libraries(lua_State* L) {
  for (const Library& library : kLibraries) {
    library.push(L);
    lua_setfield(L, -2, library.name);
  }
}

void push_library(lua_State* L, std::span<const lua::Function> functions) {
  lua_createtable(L, 0, static_cast<int>(functions.size()));
  lua::set_functions(L, functions);
}

void check_count(lua_State* L, int least, int most) {
  const int count = lua_gettop(L);
  if (count >= least && count <= most) return;
  const std::string wanted =
      least == most ? fmt::format("{}", least) : fmt::format("{} to {}", least, most);
  throw lua::Error(
      fmt::format("{} argument{} expected, got {}", wanted, most == 1 ? "" : "s", count));
}

int push_failure(lua_State* L, std::string_view message) {
  lua_pushnil(L);
  lua::push_text(L, message);
  return 2;
}

}  // namespace perilune::script
