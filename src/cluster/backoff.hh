#pragma once

#include <algorithm>

#include "util/clock.hh"

namespace perilune::cluster {

// How long a server that nobody monitors is avoided once it has failed: short at first, twice as
// long each time it fails again.
class Backoff {
 public:
  static constexpr Millis kFirst{1000};
  static constexpr Millis kLongest{30000};
  // So long others wait for what becomes of the first one who tries again.
  static constexpr Millis kTrial{2000};

  bool is_over(Clock::time_point now) const noexcept {
    return now >= avoided_until_ && now >= tried_until_;
  }
  bool has_failed() const noexcept { return delay_ > Millis{}; }

  // Somebody tries it, who alone shall find out whether it is back.
  void begin_trial(Clock::time_point now) noexcept {
    if (has_failed()) tried_until_ = now + kTrial;
  }
  // What several find at once is one failure.
  void fail(Clock::time_point now) noexcept {
    if (has_failed() && now < avoided_until_) return;
    delay_ = has_failed() ? std::min(delay_ * 2, kLongest) : kFirst;
    avoided_until_ = now + delay_;
    tried_until_ = {};
  }
  void succeed() noexcept { *this = {}; }

 private:
  Millis delay_{0};
  Clock::time_point avoided_until_;
  Clock::time_point tried_until_;
};

}  // namespace perilune::cluster
