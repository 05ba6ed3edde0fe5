#include "stats/own_metrics.hh"

#include <string>
#include <thread>
#include <vector>

#include "support/catch.hh"

using namespace perilune;
using namespace perilune::stats;
using Kind = OwnMetric::Kind;

TEST_CASE("own metrics: a name is one metric", "[stats]") {
  OwnMetrics metrics;
  const auto one = metrics.open("logins_total", "Logins", Kind::Counter);
  const auto again = metrics.open("logins_total", "Logins of all kinds", Kind::Counter);
  REQUIRE(one);
  REQUIRE(again);
  CHECK(*one == *again);
  (*one)->add(2);
  CHECK((*again)->value() == 2);
  REQUIRE(metrics.all().size() == 1);
  CHECK(metrics.all().front().help == "Logins of all kinds");
}

TEST_CASE("own metrics: another kind or other buckets under the same name", "[stats]") {
  OwnMetrics metrics;
  REQUIRE(metrics.open("size", "Size", Kind::Gauge));
  CHECK(metrics.open("size", "Size", Kind::Histogram, {1}).error().message ==
        "'size' is a gauge already");
  REQUIRE(metrics.open("wait", "Wait", Kind::Histogram, {1, 2}));
  CHECK_FALSE(metrics.open("wait", "Wait", Kind::Histogram, {1, 3}));
  CHECK(metrics.open("wait", "Wait", Kind::Histogram, {1, 2}));
}

TEST_CASE("own metrics: names that Prometheus or we have a meaning for", "[stats]") {
  for (const char* name : {"", "1a_total", "a-b_total", "a b", "perilune_x_total",
                           "process_x_total", "a_bucket", "a_sum", "a_count", "a_info", "a"}) {
    CAPTURE(name);
    CHECK_FALSE(problem_of_name(name, Kind::Counter).empty());
  }
  CHECK(problem_of_name("a_total", Kind::Counter).empty());
  CHECK(problem_of_name("_A9", Kind::Gauge).empty());
  CHECK_FALSE(problem_of_name("a_total", Kind::Gauge).empty());
  CHECK_FALSE(problem_of_name(std::string(200, 'a'), Kind::Gauge).empty());
  CHECK_FALSE(OwnMetrics{}.open("a", "", Kind::Gauge));
}

TEST_CASE("own metrics: there is an end to them", "[stats]") {
  OwnMetrics metrics;
  for (std::size_t i = 0; i < OwnMetrics::kMost; ++i) {
    REQUIRE(metrics.open("m" + std::to_string(i), "One of many", Kind::Gauge));
  }
  CHECK_FALSE(metrics.open("one_more", "One more", Kind::Gauge));
  CHECK(metrics.open("m0", "One of many", Kind::Gauge));
}

TEST_CASE("own metrics: a histogram's buckets", "[stats]") {
  OwnMetric histogram{Kind::Histogram, {1, 10}};
  for (const double n : {0.5, 1.0, 5.0, 11.0}) histogram.observe(n);
  CHECK(histogram.buckets() == std::vector<std::uint64_t>{2, 1, 1});
  CHECK(histogram.value() == 17.5);
}

TEST_CASE("own metrics: threads that count at once lose nothing", "[stats]") {
  constexpr int kRounds = 20'000;
  OwnMetric counter{Kind::Counter, {}};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&counter] {
        for (int n = 0; n < kRounds; ++n) counter.add(1);
      });
    }
  }
  CHECK(counter.value() == 4 * kRounds);
}
