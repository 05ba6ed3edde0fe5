#pragma once

#include <coroutine>
#include <optional>
#include <utility>

#include "event/deadline.hh"
#include "event/latch.hh"
#include "event/loop.hh"
#include "event/task.hh"

namespace perilune::event {

// co_await FirstOf(task, latch): true when the task finished first (its result waits in
// task.take()), false when the latch was set first: the task then still hangs where it waits, and
// ends when the caller destroys it. Needs no coroutine frame of its own.
template <typename T>
class FirstOf {
 public:
  FirstOf(Task<T>& task, Latch& latch) noexcept : task_(task), latch_(latch), waiter_(latch) {}
  FirstOf(const FirstOf&) = delete;
  FirstOf& operator=(const FirstOf&) = delete;

  bool await_ready() const noexcept { return latch_.is_set(); }
  bool await_suspend(std::coroutine_handle<> parent) noexcept {
    if (!task_.start(parent)) return false;
    waiter_.link(parent);
    return true;
  }
  bool await_resume() noexcept {
    waiter_.unlink();
    if (task_.done()) return true;
    task_.forget_waiter();
    return false;
  }

 private:
  Task<T>& task_;
  Latch& latch_;
  Latch::Waiter waiter_;
};

// co_await FirstOfTwo(a, b): true when the first one has finished, false when the second one has
// before it. The other then still hangs where it waits, and ends when the caller destroys it. What
// finished has its result in take(). Needs no coroutine frame of its own.
template <typename A, typename B>
class FirstOfTwo {
 public:
  FirstOfTwo(Task<A>& first, Task<B>& second) noexcept : first_(first), second_(second) {}
  FirstOfTwo(const FirstOfTwo&) = delete;
  FirstOfTwo& operator=(const FirstOfTwo&) = delete;

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> parent) noexcept {
    if (!first_.start(parent)) return false;
    second_started_ = true;
    if (second_.start(parent)) return true;
    first_.forget_waiter();
    return false;
  }
  bool await_resume() noexcept {
    if (!first_.done()) {
      first_.forget_waiter();
      return false;
    }
    if (second_started_ && !second_.done()) second_.forget_waiter();
    return true;
  }

 private:
  Task<A>& first_;
  Task<B>& second_;
  bool second_started_ = false;
};

// Awaits a task for at most `limit` (zero or less: for ever); nullopt when the time is over, and
// the task is cancelled then.
template <typename T>
Task<std::optional<T>> within(Loop& loop, Millis limit, Task<T> task) {
  Latch expired{loop};
  Deadline deadline;
  deadline.arm(loop, limit, [&expired] { expired.set(); });
  const bool finished = co_await FirstOf<T>(task, expired);
  if (!finished) co_return std::nullopt;
  co_return task.take();
}

// The same for a task without a result: false when the time is over.
inline Task<bool> within(Loop& loop, Millis limit, Task<> task) {
  Latch expired{loop};
  Deadline deadline;
  deadline.arm(loop, limit, [&expired] { expired.set(); });
  const bool finished = co_await FirstOf<void>(task, expired);
  if (finished) task.take();
  co_return finished;
}

}  // namespace perilune::event
