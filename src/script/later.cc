#include "script/later.hh"

#include <string>

#include "lua/error.hh"
#include "lua/function.hh"

namespace perilune::script {

namespace {

constexpr const char* kFunctions[] = {
    "mssql_cluster", "mssql_listen", "mssql_resolve",
};

int later(lua_State* L) { fail_later(lua_tostring(L, lua_upvalueindex(1))); }

}  // namespace

std::span<const char* const> later_functions() noexcept { return kFunctions; }

void fail_later(std::string_view name) {
  throw lua::Error(std::string(name) + " is not in this version of Perilune");
}

void push_later_function(lua_State* L, const char* name) {
  lua_pushstring(L, name);
  lua_pushcclosure(L, lua::guarded<later>, 1);
}

void set_later_names(lua_State* L) {
  for (const char* name : kFunctions) {
    push_later_function(L, name);
    lua_setfield(L, -2, name);
  }
}

}  // namespace perilune::script
