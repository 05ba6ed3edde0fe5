#include "lua/native.hh"

#include <string>
#include <string_view>

#include "lua/call.hh"
#include "lua/chunk.hh"
#include "lua/function.hh"
#include "lua/state.hh"
#include "lua/wait.hh"

namespace perilune::lua {

namespace {

// read_source(path) → text or nil, message
int read_source(lua_State* L) {
  State& state = State::of(L);
  const std::string path{check_text(L, 1)};
  const auto text =
      state.is_loading() ? state.sources().read(path) : state.sources().read_now(path);
  if (!text) {
    lua_pushnil(L);
    push_text(L, text.error().message);
    return 2;
  }
  push_text(L, **text);
  return 1;
}

// compile(text, chunk name) → function or nil, message
int compile(lua_State* L) {
  const std::string_view text = check_text(L, 1);
  if (push_chunk(L, text, lua_tostring(L, 2))) return 1;
  lua_pushnil(L);
  lua_insert(L, -2);
  return 2;
}

void push_weak_table(lua_State* L, const char* mode) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushstring(L, mode);
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
}

// Sets native[name] and the registry's place to the value on top, and pops it.
void publish(lua_State* L, const char* name, FixedReference place) {
  lua_pushvalue(L, -1);
  lua_rawseti(L, LUA_REGISTRYINDEX, place);
  lua_setfield(L, -2, name);
}

constexpr Function kFunctions[] = {
    {"collect", guarded<collect>},
    {"compile", guarded<compile>},
    {"read_source", guarded<read_source>},
};

}  // namespace

void reserve_references(lua_State* L) {
  for (int place = 1; place <= kLastFixedReference; ++place) {
    lua_pushboolean(L, 0);
    luaL_ref(L, LUA_REGISTRYINDEX);
  }
}

void push_native(lua_State* L) {
  lua_newtable(L);
  set_functions(L, kFunctions);
  lua_newuserdata(L, 0);
  publish(L, "park", kParkReference);
  push_weak_table(L, "kv");
  publish(L, "parents", kParentsReference);
  push_weak_table(L, "k");
  publish(L, "waiting", kWaitingReference);
  lua_newtable(L);
  publish(L, "resumable", kResumableReference);
  lua_rawgeti(L, LUA_REGISTRYINDEX, kPrepareReference);
  lua_setfield(L, -2, "prepare");
  lua_rawgeti(L, LUA_REGISTRYINDEX, kOverReference);
  lua_setfield(L, -2, "over");
  lua_pushlstring(L, State::of(L).sources().folder().data(),
                  State::of(L).sources().folder().size());
  lua_setfield(L, -2, "folder");
}

}  // namespace perilune::lua
