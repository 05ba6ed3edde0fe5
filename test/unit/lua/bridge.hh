#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "event/timer.hh"
#include "lua/call.hh"
#include "lua/function.hh"
#include "lua/state.hh"
#include "lua/wait.hh"
#include "support/run_task.hh"
#include "util/parse.hh"

namespace perilune::lua::test {

// What sleep() of the product does, and counters that show whether it began and ended.
struct Sleeps {
  int started = 0;
  int finished = 0;
};

inline Sleeps sleeps;

inline event::Task<Push> sleep_for(event::Loop& loop, Millis delay) {
  ++sleeps.started;
  co_await event::Sleep(loop, delay);
  ++sleeps.finished;
  co_return Push{[](lua_State* L) {
    lua_pushstring(L, "slept");
    return 1;
  }};
}

inline event::Task<Push> fail_later(event::Loop& loop) {
  co_await event::Sleep(loop, Millis{1});
  throw Error("it failed");
}

inline int sleep(lua_State* L) {
  const auto delay = duration_from_seconds(check_number(L, 1));
  if (!delay) throw ArgumentError(1, delay.error().message);
  return await(L, sleep_for(State::of(L).loop(), *delay));
}

inline int fail(lua_State* L) { return await(L, fail_later(State::of(L).loop())); }

inline constexpr Function kFunctions[] = {
    {"sleep", guarded<sleep>, true},
    {"fail", guarded<fail>, true},
};

// A loop and a state with sleep() and fail(), in which strings are run as calls.
class Bridge {
 public:
  explicit Bridge(Memory memory = {}) : state_(loop_, sources_, memory) {
    state_.protect([](lua_State* L) {
      lua_pushvalue(L, LUA_GLOBALSINDEX);
      set_functions(L, kFunctions);
    });
    sleeps = {};
  }

  State& state() { return state_; }
  event::Loop& loop() { return loop_; }
  Sources& sources() { return *sources_; }

  // Pushes the chunk, loaded as the prelude does it.
  static int push_chunk(lua_State* L, std::string_view text) {
    lua_getglobal(L, "loadstring");
    push_text(L, text);
    lua_pushstring(L, "@script");
    lua_call(L, 2, 2);
    if (lua_isnil(L, -2)) lua_error(L);
    lua_pop(L, 1);
    return 1;
  }

  // The first result as text, or "error: message".
  static std::string outcome(const Call& call) {
    if (call.failed()) return "error: " + call.failure().message;
    if (call.result_count() == 0) return "nothing";
    lua_State* const L = call.results();
    if (lua_isnil(L, 1)) return "nil";
    if (lua_isboolean(L, 1)) return lua_toboolean(L, 1) != 0 ? "true" : "false";
    return message_of(L, 1);
  }

  event::Task<std::string> call(std::string text) {
    Call call{state_, "test"};
    if (!call.start([&text](lua_State* L) { return push_chunk(L, text); })) co_await call.finish();
    co_return outcome(call);
  }

  std::string run(std::string text) {
    return perilune::test::run_task(loop_, call(std::move(text)));
  }

 private:
  event::Loop loop_;
  std::shared_ptr<Sources> sources_ = std::make_shared<Sources>("/nowhere/config.lua");
  State state_;
};

}  // namespace perilune::lua::test
