#pragma once

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

}  // namespace perilune::event
