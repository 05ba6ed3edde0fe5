#include "stats/histogram.hh"

#include <numeric>

namespace perilune::stats {

std::uint64_t HistogramSum::count() const noexcept {
  return std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0});
}

// From the smallest one: most durations are short.
void Histogram::observe(std::chrono::nanoseconds duration) noexcept {
  const std::int64_t nanos = duration.count() > 0 ? duration.count() : 0;
  std::size_t bucket = 0;
  while (bucket < kMicrosOfBounds.size() && nanos > kMicrosOfBounds[bucket] * 1000) ++bucket;
  buckets_[bucket].add();
  nanos_.add(static_cast<std::uint64_t>(nanos));
}

void Histogram::add_to(HistogramSum& sum) const noexcept {
  for (std::size_t i = 0; i < kBuckets; ++i) sum.buckets[i] += buckets_[i].read();
  sum.nanos += nanos_.read();
}

}  // namespace perilune::stats
