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
    {"jwt", push_jwt},
    {"metric", push_metric},
    {"pg", push_pg},
    {"re2", push_re2},
    {"shared", push_shared},
    {"socket", push_socket_library},
    {"sodium", push_sodium},
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

void push_function(lua_State* L, std::span<const lua::Function, 1> function) {
  push_library(L, function);
  lua_getfield(L, -1, function[0].name);
  lua_remove(L, -2);
}

void set_methods(lua_State* L, std::span<const lua::Function> methods) {
  push_library(L, methods);
  lua_setfield(L, -2, "__index");
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
