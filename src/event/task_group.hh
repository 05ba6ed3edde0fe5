#pragma once

#include <cstddef>
#include <memory>

#include "event/loop.hh"
#include "event/task.hh"
#include "util/unique_function.hh"

namespace perilune::event {

// Owns tasks that nobody awaits. A task must handle its own errors (one that escapes is a bug and
// ends the process); a finished one is destroyed in the next turn of the loop. Destroying the group
// cancels all.
class TaskGroup {
 public:
  explicit TaskGroup(Loop& loop) noexcept : loop_(loop) {}
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  ~TaskGroup();

  void spawn(Task<> task);
  std::size_t size() const noexcept { return size_; }

 private:
  class Entry;
  void reap(Entry* entry) noexcept;

  Loop& loop_;
  Entry* first_ = nullptr;
  std::size_t size_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace perilune::event
