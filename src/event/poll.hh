#pragma once

#include <uv.h>

#include "event/handle.hh"
#include "event/loop.hh"
#include "util/unique_function.hh"

namespace perilune::event {

// Watches a descriptor that stays its owner's; close the watcher before the descriptor.
class Poll {
 public:
  Poll(Loop& loop, int fd);
  Poll(const Poll&) = delete;
  Poll& operator=(const Poll&) = delete;
  ~Poll() = default;

  // Calls `ready(status, events)` (status: a UV error or 0) until stop(); it may stop the watcher
  // but not destroy it.
  void start(int events, UniqueFunction<void(int status, int events)> ready);
  void stop() noexcept;
  bool is_active() const noexcept { return active_; }

 private:
  Handle<uv_poll_t> poll_;
  UniqueFunction<void(int, int)> ready_;
  bool active_ = false;
};

}  // namespace perilune::event
