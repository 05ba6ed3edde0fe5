#pragma once

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include "lua/api.hh"
#include "lua/function.hh"

namespace perilune::lua {

// C++ objects of one type as userdata. T has a `static constexpr const char* kClassName`. The
// metatable is known by its identity, never by a name that a script could forge.
template <typename T>
class Class {
  static_assert(alignof(T) <= alignof(std::max_align_t));

 public:
  // Once a state, inside Lua: makes the metatable, gives it `functions` and leaves it on the stack
  // until `customize(L)` has added to it.
  template <typename Customize>
  static void define(lua_State* L, Customize&& customize) {
    lua_newtable(L);
    lua_pushstring(L, T::kClassName);
    lua_setfield(L, -2, "__metatable");  // what scripts see of it
    lua_pushcfunction(L, destroy);
    lua_setfield(L, -2, "__gc");
    customize(L);
    lua_pushlightuserdata(L, &key_);
    lua_insert(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
  }

  // Pushes a new object; inside Lua.
  template <typename... Args>
  static T& push(lua_State* L, Args&&... args) {
    void* const memory = lua_newuserdata(L, sizeof(T));
    T* const object = new (memory) T(std::forward<Args>(args)...);
    // Only now: a half-made object has no finalizer.
    push_metatable(L);
    lua_setmetatable(L, -2);
    return *object;
  }

  // Null when the value is something else. Never allocates; needs two free places on the stack.
  static T* test(lua_State* L, int index) noexcept {
    void* const memory = lua_touserdata(L, index);
    if (memory == nullptr || lua_islightuserdata(L, index) || lua_getmetatable(L, index) == 0) {
      return nullptr;
    }
    push_metatable(L);
    const bool same = lua_rawequal(L, -1, -2) != 0;
    lua_pop(L, 2);
    return same ? static_cast<T*>(memory) : nullptr;
  }

  static T& check(lua_State* L, int index) {
    if (T* const object = test(L, index)) return *object;
    fail_type(L, index, T::kClassName);
  }

 private:
  static void push_metatable(lua_State* L) {
    lua_pushlightuserdata(L, &key_);
    lua_rawget(L, LUA_REGISTRYINDEX);
  }
  static int destroy(lua_State* L) {
    // Scripts can reach __gc through debug.getmetatable; once is enough.
    if (T* const object = test(L, 1)) {
      object->~T();
      lua_pushnil(L);
      lua_setmetatable(L, 1);
    }
    return 0;
  }

  static inline char key_ = 0;
};

}  // namespace perilune::lua
