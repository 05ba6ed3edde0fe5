#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "stats/cell.hh"

namespace perilune::stats {

// Upper bounds of the buckets, in seconds; the last bucket has none.
inline constexpr std::array kBounds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                    0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                    1.0,    2.5,     5.0,    10.0,  30.0};
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
