#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "stats/cell.hh"

namespace perilune::stats {

// Upper bounds of the buckets, in microseconds; the last bucket has none.
inline constexpr std::array<std::int64_t, 17> kMicrosOfBounds{
    100,     250,     500,     1'000,     2'500,     5'000,     10'000,     25'000,    50'000,
    100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000, 30'000'000};
// The same in seconds.
inline constexpr std::array kBounds = [] {
  std::array<double, kMicrosOfBounds.size()> seconds{};
  for (std::size_t i = 0; i < seconds.size(); ++i) {
    seconds[i] = static_cast<double>(kMicrosOfBounds[i]) / 1e6;
  }
  return seconds;
}();
inline constexpr std::size_t kBuckets = kBounds.size() + 1;

// A histogram at one moment, of several threads together.
struct HistogramSum {
  std::array<std::uint64_t, kBuckets> buckets{};  // each for itself
  std::uint64_t nanos = 0;

  std::uint64_t count() const noexcept;
  double seconds() const noexcept { return static_cast<double>(nanos) / 1e9; }
};

// Durations by their size; written by one thread, read by any.
class Histogram {
 public:
  void observe(std::chrono::nanoseconds duration) noexcept;
  void add_to(HistogramSum& sum) const noexcept;

 private:
  std::array<Cell, kBuckets> buckets_;
  Cell nanos_;
};

}  // namespace perilune::stats
