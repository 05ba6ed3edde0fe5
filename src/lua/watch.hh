#pragma once

#include <sys/types.h>
#include <atomic>
#include <cstdint>
#include <ctime>

#include "lua/api.hh"
#include "util/clock.hh"

namespace perilune::lua {

// Ends Lua code that never ends. The thread of the Lua state marks when it enters and leaves Lua;
// another thread calls check() about every 100 ms. When one entry has used more processor time than
// the limit, the Lua thread is sent a signal whose handler installs a hook that raises an error at
// every instruction until the entry is left, so that no pcall keeps the code alive. Code for the
// JIT (compiled()) and C functions do not see the hook: they are reported as stuck.
class Watch {
 public:
  // On the thread of the state.
  explicit Watch(const char* idle_name) noexcept;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void attach(lua_State* main) noexcept { main_ = main; }
  void set_limit(Millis cpu) noexcept { limit_.store(cpu.count(), std::memory_order_relaxed); }

  void set_grace(Millis grace) noexcept { grace_.store(grace.count(), std::memory_order_relaxed); }

  // Around every run of Lua code; entries do not nest. `name` is a literal.
  void enter(const char* name) noexcept;
  void leave() noexcept;
  // Whether the entry left last was aborted.
  bool was_aborted() const noexcept { return aborted_; }

  struct Report {
    enum class State : std::uint8_t { Idle, Running, Aborting, Stuck };
    State state = State::Idle;
    const char* callback = "";  // what runs
    bool is_new = false;        // the state was another one at the last check
  };
  // From one other thread, also after the watched thread has ended; a thread whose abort has not
  // worked for the grace, or that has been in one entry for the grace longer than the limit without
  // using the processor, is stuck.
  Report check() noexcept;

 private:
  static void on_signal(int) noexcept;
  static void on_hook(lua_State* L, lua_Debug* where);
  static void install_handler() noexcept;

  bool is_aborting() const noexcept;
  void interrupt() noexcept;
  void send_signal() noexcept;
  Report::State judge(std::uint64_t sequence) noexcept;
  std::int64_t cpu_nanos() const noexcept;

  // Written by the Lua thread; odd while Lua runs.
  std::atomic<std::uint64_t> sequence_{0};
  std::atomic<const char*> name_;
  // Written by the checking thread: the entry to abort.
  std::atomic<std::uint64_t> target_{0};
  std::atomic<std::int64_t> limit_{1000};  // milliseconds
  std::atomic<std::int64_t> grace_{2000};  // milliseconds

  lua_State* main_ = nullptr;
  std::atomic<bool> hooked_{false};  // by the signal handler, on the Lua thread
  bool aborted_ = false;

  pid_t thread_;
  clockid_t cpu_clock_;

  // The checking thread's own.
  std::uint64_t seen_ = 0;
  std::int64_t seen_cpu_ = 0;
  Clock::time_point seen_at_;
  Clock::time_point signalled_at_;
  Report::State last_state_ = Report::State::Idle;
};

}  // namespace perilune::lua
