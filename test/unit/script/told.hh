#pragma once

#include <string>

#include "event/timer.hh"
#include "stage.hh"

namespace perilune::script::test {

// What the body of a function returns, in a callback.
inline std::string told(const std::string& body) {
  Play play{telling(body)};
  return Play::say(play.log_in());
}

// …or why it failed.
inline std::string caught(const std::string& body) {
  return told("return select(2, pcall(function() " + body + " end))");
}

inline bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// A global variable that is a number; 0 if there is none.
inline double global_number(Stage& stage, const char* name) {
  double number = 0;
  stage.host().state().protect([&number, name](lua_State* L) {
    lua_getglobal(L, name);
    number = lua_tonumber(L, -1);
  });
  return number;
}

inline event::Task<> pause(event::Loop& loop) { co_await event::Sleep(loop, Millis{1}); }

// Lets the loop turn until the condition holds; false when that takes too long.
template <typename Condition>
bool turn_until(Stage& stage, const Condition& condition) {
  constexpr int kTurns = 20000;
  for (int i = 0; i < kTurns && !condition(); ++i) {
    perilune::test::run_task(stage.loop(), pause(stage.loop()));
  }
  return condition();
}

}  // namespace perilune::script::test
