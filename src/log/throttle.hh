#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "util/clock.hh"

namespace perilune::log {

// Keeps an event that may come a thousand times a second down to one line per period:
//   if (const auto missed = throttle.admit(now)) logger.warning("…", field("suppressed", *missed));
// Safe from every thread.
class Throttle {
 public:
  explicit Throttle(Millis period) noexcept : period_(period) {}

  // A value: log now, and so many were held back since the last time; none: hold this one back.
  std::optional<std::uint64_t> admit(Clock::time_point now) noexcept;

 private:
  const Clock::duration period_;
  std::atomic<Clock::rep> open_again_{Clock::time_point::min().time_since_epoch().count()};
  std::atomic<std::uint64_t> suppressed_{0};
};

}  // namespace perilune::log
