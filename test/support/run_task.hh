#pragma once

#include <optional>
#include <stdexcept>
#include <utility>

#include "event/first_of.hh"
#include "event/loop.hh"
#include "event/task.hh"
#include "event/task_group.hh"

namespace perilune::test {

// No test waits longer for anything.
inline constexpr Millis kTestLimit{10000};

namespace detail {

inline event::Task<> watch(event::Loop& loop, event::Task<> task, std::exception_ptr& error) {
  try {
    const bool in_time = co_await event::within(loop, kTestLimit, std::move(task));
    if (!in_time) error = std::make_exception_ptr(std::runtime_error("the test took too long"));
  } catch (...) {
    error = std::current_exception();
  }
  loop.stop();
}

template <typename T>
event::Task<> keep(event::Task<T> task, std::optional<T>& result) {
  result = co_await std::move(task);
}

}  // namespace detail

// Runs the loop until the task has finished; throws what it throws, and when it takes too long.
inline void run_task(event::Loop& loop, event::Task<> task) {
  std::exception_ptr error;
  event::TaskGroup group{loop};
  group.spawn(detail::watch(loop, std::move(task), error));
  loop.run();
  if (error) std::rethrow_exception(error);
}

template <typename T>
T run_task(event::Loop& loop, event::Task<T> task) {
  std::optional<T> result;
  run_task(loop, detail::keep(std::move(task), result));
  return std::move(*result);
}

}  // namespace perilune::test
