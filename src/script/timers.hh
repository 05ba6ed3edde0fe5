#pragma once

#include <memory>
#include <vector>

#include "event/task_group.hh"
#include "lua/api.hh"
#include "util/clock.hh"

namespace perilune::script {

class Host;

// What every() asked for, in one host. The host's state must outlive it.
class Timers {
 public:
  explicit Timers(Host& host);
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;
  ~Timers();

  // `function` is a reference into the registry, which now belongs to the timers.
  void add(Millis interval, int function);
  // The generation has taken over: from now on the time runs.
  void start();
  // What runs is cancelled.
  void stop() noexcept { running_.reset(); }

 private:
  struct Timer {
    Millis interval;
    int function;
  };
  event::Task<> run(Timer timer);
  event::Task<> run_once(int function);

  Host& host_;
  std::vector<Timer> timers_;
  std::unique_ptr<event::TaskGroup> running_;
};

// every(seconds, fn [, {once=true}])
int every(lua_State* L);

}  // namespace perilune::script
