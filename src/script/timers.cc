#include "script/timers.hh"

#include <algorithm>
#include <array>
#include <string_view>

#include "event/timer.hh"
#include "lua/function.hh"
#include "lua/options.hh"
#include "script/globals.hh"
#include "script/host.hh"
#include "script/libs.hh"
#include "util/parse.hh"

namespace perilune::script {

namespace {

constexpr std::array<std::string_view, 1> kOptions{"once"};

Millis check_interval(lua_State* L, int index) {
  const auto interval = duration_from_seconds(lua::check_number(L, index));
  if (!interval) throw lua::ArgumentError(index, interval.error().message);
  if (interval->count() == 0) throw lua::ArgumentError(index, "more than 0 expected");
  return *interval;
}

bool is_for_one_worker(lua_State* L, int index) {
  if (lua_isnoneornil(L, index)) return false;
  lua::check_table(L, index);
  const lua::Options options{L, index, "option", kOptions};
  return options.boolean("once").value_or(false);
}

}  // namespace

Timers::Timers(Host& host) : host_(host) {}

Timers::~Timers() {
  stop();
  for (const Timer& timer : timers_) host_.state().unref(timer.function);
}

void Timers::add(Millis interval, int function) { timers_.push_back({interval, function}); }

void Timers::start() {
  if (timers_.empty()) return;
  running_ = std::make_unique<event::TaskGroup>(host_.state().loop());
  for (const Timer& timer : timers_) running_->spawn(run(timer));
}

// What took longer than the interval is not made up for.
event::Task<> Timers::run(Timer timer) {
  event::Loop& loop = host_.state().loop();
  Millis due = loop.now() + timer.interval;
  for (;;) {
    const Millis left = due - loop.now();
    co_await event::Sleep(loop, left);
    co_await run_once(timer.function);
    due = std::max(due + timer.interval, loop.now());
  }
}

event::Task<> Timers::run_once(int function) {
  return host_.call_alone({"every", stats::Callback::Every, "callback_timeout",
                            host_.settings().callback_timeout},
                          [function](lua_State* L) {
                            lua_rawgeti(L, LUA_REGISTRYINDEX, function);
                            return 1;
                          });
}

int every(lua_State* L) {
  check_is_loading(L, "every");
  const Millis interval = check_interval(L, 1);
  lua::check_function(L, 2);
  check_count(L, 2, 3);
  Host& host = Host::of(L);
  if (is_for_one_worker(L, 3) && !host.options().first_worker) return 0;
  lua_pushvalue(L, 2);
  host.timers().add(interval, luaL_ref(L, LUA_REGISTRYINDEX));
  return 0;
}

}  // namespace perilune::script
