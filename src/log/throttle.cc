#include "log/throttle.hh"

namespace perilune::log {

std::optional<std::uint64_t> Throttle::admit(Clock::time_point now) noexcept {
  const Clock::rep at = now.time_since_epoch().count();
  Clock::rep open_again = open_again_.load(std::memory_order_relaxed);
  while (at >= open_again) {
    const Clock::rep next = at + Clock::duration(period_).count();
    if (open_again_.compare_exchange_weak(open_again, next, std::memory_order_relaxed)) {
      return suppressed_.exchange(0, std::memory_order_relaxed);
    }
  }
  suppressed_.fetch_add(1, std::memory_order_relaxed);
  return std::nullopt;
}

}  // namespace perilune::log
