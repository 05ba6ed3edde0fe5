#pragma once

#include <initializer_list>

#include "event/handle.hh"
#include "event/loop.hh"
#include "util/unique_function.hh"

namespace perilune::event {

// Calls a function on the loop's thread when the process receives a signal.
class UnixSignal {
 public:
  UnixSignal(Loop& loop, int signal, UniqueFunction<void()> function);
  UnixSignal(const UnixSignal&) = delete;
  UnixSignal& operator=(const UnixSignal&) = delete;
  ~UnixSignal() = default;

 private:
  UniqueFunction<void()> function_;
  Handle<uv_signal_t> signal_;
};

// The calling thread, and those that it makes from now on, leave these signals to others; where
// nobody takes them, they wait.
void block_signals(std::initializer_list<int> signals) noexcept;

}  // namespace perilune::event
