#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "stats/cell.hh"

namespace perilune::stats {

// What a script's functions are called for.
enum class Callback : std::uint8_t {
  OnConnect,
  OnLogin,
  OnCommandPhase,
  OnInitDb,
  OnQuery,
  OnLog,
  OnDisconnect,
  Balance,
  Every,
  Notification,
  Reload,
};

// In the order of Callback, as scripts name them.
inline constexpr std::array<std::string_view, 11> kCallbackNames{
    "on_connect", "on_login",      "on_command_phase", "on_init_db", "on_query",
    "on_log",     "on_disconnect", "balance",          "every",      "notification",
    "reload"};

struct CallbackSum {
  std::uint64_t calls = 0;
  std::uint64_t errors = 0;
  std::uint64_t aborts = 0;
  std::uint64_t nanos = 0;
};

// One thread's counts of what a script's functions came to.
class CallbackCells {
 public:
  void finish(Callback callback, std::chrono::nanoseconds time) noexcept {
    of(callback).calls.add();
    of(callback).nanos.add(static_cast<std::uint64_t>(time.count()));
  }
  void fail(Callback callback, bool aborted) noexcept {
    of(callback).errors.add();
    if (aborted) of(callback).aborts.add();
  }
  void add_to(Callback callback, CallbackSum& sum) const noexcept {
    const Counts& counts = counts_[static_cast<std::size_t>(callback)];
    sum.calls += counts.calls.read();
    sum.errors += counts.errors.read();
    sum.aborts += counts.aborts.read();
    sum.nanos += counts.nanos.read();
  }

 private:
  struct Counts {
    Cell calls, errors, aborts, nanos;
  };
  Counts& of(Callback callback) noexcept { return counts_[static_cast<std::size_t>(callback)]; }

  std::array<Counts, kCallbackNames.size()> counts_;
};

}  // namespace perilune::stats
