#pragma once

#include <coroutine>

#include "event/handle.hh"
#include "event/loop.hh"
#include "util/clock.hh"
#include "util/unique_function.hh"

namespace perilune::event {

// co_await Sleep(loop, delay): exact to libuv's millisecond. Destroying it cancels the wait.
class Sleep {
 public:
  Sleep(Loop& loop, Millis delay) : loop_(loop), delay_(delay) {}
  Sleep(const Sleep&) = delete;
  Sleep& operator=(const Sleep&) = delete;

  bool await_ready() const noexcept { return delay_.count() <= 0; }
  void await_suspend(std::coroutine_handle<> waiter);
  void await_resume() noexcept { timer_.reset(); }

 private:
  Loop& loop_;
  Millis delay_;
  Handle<uv_timer_t> timer_;
  std::coroutine_handle<> waiter_;
};

// Calls a function again and again until destroyed; the function must not destroy the timer.
class PeriodicTimer {
 public:
  PeriodicTimer(Loop& loop, Millis interval, UniqueFunction<void()> function);
  PeriodicTimer(const PeriodicTimer&) = delete;
  PeriodicTimer& operator=(const PeriodicTimer&) = delete;
  ~PeriodicTimer() = default;

 private:
  UniqueFunction<void()> function_;
  Handle<uv_timer_t> timer_;
};

}  // namespace perilune::event
