#pragma once

#include <algorithm>

#include "event/deadline.hh"
#include "event/loop.hh"
#include "util/unique_function.hh"

namespace perilune::event {

// A deadline whose time can be stopped. Zero or less never expires.
class Countdown {
 public:
  Countdown(Loop& loop, Millis left, UniqueFunction<void()> expired)
      : loop_(loop), left_(left), expired_(std::move(expired)) {
    resume();
  }
  Countdown(const Countdown&) = delete;
  Countdown& operator=(const Countdown&) = delete;

  void pause() {
    if (!deadline_.is_armed()) return;
    left_ = std::max(deadline_.remaining(loop_), Millis{1});
    deadline_.disarm();
  }
  void resume() {
    deadline_.arm(loop_, left_, [this] { expired_(); });
  }

 private:
  Loop& loop_;
  Millis left_;
  UniqueFunction<void()> expired_;
  Deadline deadline_;
};

}  // namespace perilune::event
