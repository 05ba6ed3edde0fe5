#pragma once

#include <cstddef>

#include "stats/histogram.hh"
#include "util/clock.hh"

namespace perilune::session {

// Measures statements for those who look on. The time of one begins when nothing else is before it;
// of several on their way together each has the time for which the server was busy with it.
class StatementTimes {
 public:
  // Null: nobody looks on.
  explicit StatementTimes(stats::Histogram* seconds) noexcept : seconds_(seconds) {}

  // Something went to the server, and nothing else was outstanding before it.
  void begin() noexcept {
    if (seconds_ != nullptr) busy_since_ = Clock::now();
  }

  // So many answers have ended together: the first has taken the time.
  void end(std::size_t count) noexcept {
    if (seconds_ == nullptr || count == 0) return;
    const auto now = Clock::now();
    seconds_->observe(now - busy_since_);
    for (std::size_t i = 1; i < count; ++i) seconds_->observe({});
    busy_since_ = now;
  }

 private:
  stats::Histogram* seconds_;
  Clock::time_point busy_since_;
};

}  // namespace perilune::session
