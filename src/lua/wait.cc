#include "lua/wait.hh"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "lua/function.hh"
#include "lua/native.hh"

namespace perilune::lua {

namespace {

// The coroutines from the running one to the call's own, each the one that resumed the one before.
// next() replaces the coroutine on top of the stack by the one that resumed it.
class Chain {
 public:
  explicit Chain(lua_State* L) : L_(L), root_(State::of(L).current()->root()) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, kParentsReference);
    lua_pushthread(L);
  }
  lua_State* coroutine() const { return lua_tothread(L_, -1); }
  bool at_root() const { return coroutine() == root_; }
  bool next() {
    if (at_root()) return false;
    lua_rawget(L_, -2);
    return coroutine() != nullptr;
  }
  void close() { lua_pop(L_, 2); }

 private:
  lua_State* L_;
  lua_State* root_;
};

// Pushes "table.sort" for a function in package.loaded, or nothing and returns false; the function
// is on top of the stack and stays there.
bool push_name_in(lua_State* L, int modules, bool globals_only) {
  const int function = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, modules) != 0; lua_pop(L, 1)) {
    if (!lua_istable(L, -1) || lua_type(L, -2) != LUA_TSTRING) continue;
    const std::string module = lua_tostring(L, -2);
    if ((module == "_G") != globals_only) continue;
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
      if (lua_rawequal(L, -1, function) == 0 || lua_type(L, -2) != LUA_TSTRING) continue;
      const std::string name = lua_tostring(L, -2);
      lua_settop(L, function);
      push_text(L, globals_only ? name : module + "." + name);
      return true;
    }
  }
  return false;
}

std::string name_of_function(lua_State* L) {
  lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
  const int modules = lua_gettop(L);
  lua_pushvalue(L, -2);
  std::string name = "a C function";
  if (push_name_in(L, modules, false) || push_name_in(L, modules, true)) {
    name = lua_tostring(L, -1);
  }
  lua_settop(L, modules - 1);
  return name;
}

bool is_resumable(lua_State* L) {  // the function on top
  lua_rawgeti(L, LUA_REGISTRYINDEX, kResumableReference);
  lua_pushvalue(L, -2);
  lua_rawget(L, -2);
  const bool found = lua_toboolean(L, -1) != 0;
  lua_pop(L, 2);
  return found;
}

// The C function that keeps `stack` from yielding.
std::string culprit(lua_State* L, lua_State* stack) {
  lua_Debug activation;
  for (int level = stack == L ? 1 : 0; lua_getstack(stack, level, &activation) != 0; ++level) {
    lua_getinfo(stack, "Sf", &activation);
    if (stack != L) lua_xmove(stack, L, 1);
    if (*activation.what == 'C' && !is_resumable(L)) {
      std::string name = name_of_function(L);
      lua_pop(L, 1);
      return name;
    }
    lua_pop(L, 1);
  }
  return "a C function";
}

void check_may_wait(lua_State* L, const char* name) {
  if (State::of(L).current() == nullptr) throw Error(fmt::format("{} cannot wait here", name));
  Chain chain{L};
  for (;;) {
    lua_State* const coroutine = chain.coroutine();
    if (lua_isyieldable(coroutine) == 0) {
      throw Error(fmt::format("{} cannot wait inside {}", name, culprit(L, coroutine)));
    }
    if (chain.at_root()) break;
    if (!chain.next()) throw Error(fmt::format("{} cannot wait inside a C function", name));
  }
  chain.close();
}

// Other Lua code must not resume what waits: its result comes from us.
void mark_waiting(lua_State* L, bool waiting) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, kWaitingReference);
  const int marks = lua_gettop(L);
  Chain chain{L};
  do {
    lua_pushvalue(L, -1);
    if (waiting) {
      lua_pushboolean(L, 1);
    } else {
      lua_pushnil(L);
    }
    lua_rawset(L, marks);
  } while (chain.next());
  chain.close();
  lua_pop(L, 1);
}

}  // namespace

int await(lua_State* L, event::Task<Push> task) {
  check_may_wait(L, lua_tostring(L, lua_upvalueindex(1)));
  mark_waiting(L, true);
  State::of(L).current()->park(std::move(task));
  lua_rawgeti(L, LUA_REGISTRYINDEX, kParkReference);
  return lua_yield(L, 1);
}

int collect(lua_State* L) {
  if (const int results = lua_gettop(L); results > 0) return results;
  Call* const call = State::of(L).current();
  auto outcome = call == nullptr ? std::nullopt : call->take_outcome();
  if (!outcome) throw Error("resumed while it waited");
  mark_waiting(L, false);
  if (!outcome->push) throw Error(outcome->error);
  return outcome->push(L);
}

}  // namespace perilune::lua
