#pragma once

// lua: the bridge between C++ coroutines and Lua's. What scripts see is not its business
// (src/script is); here are one Lua state with its memory, calls that may wait, the abort of calls
// that never end, and helpers for functions, classes and option tables.
//
// Lua errors unwind C++ frames. Therefore everything that may raise one (that is: may allocate)
// happens inside Lua functions or inside State::protect(), never in a coroutine of C++; and no
// frame between may catch (...) or be noexcept.

#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "event/loop.hh"
#include "lua/api.hh"
#include "lua/error.hh"
#include "lua/memory.hh"
#include "lua/sources.hh"
#include "lua/watch.hh"

namespace perilune::lua {

class Call;

// One Lua state with the standard libraries and the prelude. Belongs to the thread that made it.
class State {
 public:
  // Throws Error when the memory does not suffice.
  State(event::Loop& loop, std::shared_ptr<Sources> sources, Memory memory = {});
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();

  static State& of(lua_State* L) noexcept;

  event::Loop& loop() noexcept { return loop_; }
  Memory& memory() noexcept { return memory_; }
  Sources& sources() noexcept { return *sources_; }
  Watch& watch() noexcept { return *watch_; }
  std::shared_ptr<Watch> share_watch() const noexcept { return watch_; }

  // Runs body(lua_State*) where Lua errors become lua::Error and other exceptions pass through.
  // Only from outside Lua.
  template <typename Body>
  void protect(Body&& body) {
    run_protected(
        [](void* b, lua_State* L) { (*static_cast<std::remove_reference_t<Body>*>(b))(L); }, &body);
  }

  // The main chunk and what it calls, until finish_loading(). Files come from Sources::read() while
  // loading, and from the disk later.
  bool is_loading() const noexcept { return loading_; }
  void finish_loading() noexcept { loading_ = false; }

  // Whoever made the state, for functions that need more than the bridge.
  void set_owner(void* owner) noexcept { owner_ = owner; }
  void* owner() const noexcept { return owner_; }

  // The call whose coroutine runs now, or null.
  Call* current() const noexcept { return current_; }

  // Gives up a registry reference; never raises, works inside and outside Lua.
  void unref(int reference) noexcept;

  // Collects all garbage; used when an allocation failed.
  void collect_garbage() noexcept;

 private:
  friend class Call;
  using ProtectedBody = void (*)(void* context, lua_State* L);
  using PrepareBody = int (*)(void* context, lua_State* L);

  // A coroutine, kept alive by a reference.
  struct Thread {
    lua_State* stack = nullptr;
    int reference = LUA_NOREF;
  };

  static void* allocate(void* self, void* block, std::size_t old_size, std::size_t new_size);
  static int set_up(lua_State* L);
  static int trampoline(lua_State* L);
  static int prepare(lua_State* L);
  void run_protected(ProtectedBody body, void* context);
  Error pop_error();

  Thread take_thread();
  void give_back(Thread thread) noexcept;
  Call* find_yielded(const lua_State* thread) const noexcept;
  static int coroutine_over(lua_State* L);

  event::Loop& loop_;
  std::shared_ptr<Sources> sources_;
  Memory memory_;
  std::shared_ptr<Watch> watch_;
  lua_State* main_ = nullptr;

  ProtectedBody protected_body_ = nullptr;
  void* protected_context_ = nullptr;
  std::exception_ptr protected_exception_;

  PrepareBody prepare_ = nullptr;
  void* prepare_context_ = nullptr;

  Call* current_ = nullptr;
  std::vector<Call*> yielded_;  // that only other Lua code can resume
  Thread idle_;                 // one finished coroutine for the next call
  void* owner_ = nullptr;
  bool loading_ = true;
};

// What a Lua error value says; without allocating in Lua.
std::string message_of(lua_State* L, int index);

}  // namespace perilune::lua
