#include "stats/histogram.hh"

#include "support/catch.hh"

using namespace perilune;
using namespace perilune::stats;
using namespace std::chrono_literals;

namespace {

HistogramSum sum_of(const Histogram& histogram) {
  HistogramSum sum;
  histogram.add_to(sum);
  return sum;
}

}  // namespace

TEST_CASE("histogram: a bound belongs to its bucket", "[stats]") {
  Histogram histogram;
  histogram.observe(0ns);
  histogram.observe(100us);
  histogram.observe(100'001ns);
  const HistogramSum sum = sum_of(histogram);
  CHECK(sum.buckets[0] == 2);
  CHECK(sum.buckets[1] == 1);
  CHECK(sum.count() == 3);
  CHECK(sum.nanos == 200'001);
}

TEST_CASE("histogram: every bound, and what is beyond the last", "[stats]") {
  Histogram histogram;
  for (const double bound : kBounds) {
    histogram.observe(std::chrono::nanoseconds(static_cast<std::int64_t>(bound * 1e9 + 0.5)));
  }
  histogram.observe(24h);
  const HistogramSum sum = sum_of(histogram);
  for (std::size_t i = 0; i < kBuckets; ++i) {
    CAPTURE(i);
    CHECK(sum.buckets[i] == 1);
  }
  CHECK(sum.seconds() > 86400);
}

TEST_CASE("histogram: a clock that went back is no time at all", "[stats]") {
  Histogram histogram;
  histogram.observe(-5s);
  CHECK(sum_of(histogram).buckets[0] == 1);
  CHECK(sum_of(histogram).nanos == 0);
}

TEST_CASE("histogram: those of several threads are added", "[stats]") {
  Histogram one;
  Histogram other;
  one.observe(1s);
  other.observe(1s);
  HistogramSum sum;
  one.add_to(sum);
  other.add_to(sum);
  CHECK(sum.count() == 2);
  CHECK(sum.seconds() == 2);
}
