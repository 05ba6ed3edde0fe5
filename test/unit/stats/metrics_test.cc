#include "stats/metrics.hh"

#include <algorithm>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hh"

using namespace perilune;
using namespace perilune::stats;

namespace {

std::int64_t value_of(const Registry& registry, std::string_view name) {
  std::int64_t found = -1;
  registry.for_each([&](const Metric& metric, std::int64_t value) {
    if (metric.name == name) found = value;
  });
  return found;
}

bool is_metric_name(std::string_view name) {
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == name.npos;
}

}  // namespace

TEST_CASE("metrics: everything starts at zero", "[stats]") {
  const Registry registry(3);
  std::size_t count = 0;
  registry.for_each([&](const Metric&, std::int64_t value) {
    ++count;
    CHECK(value == 0);
  });
  CHECK(count == std::size(kMetrics));
}

TEST_CASE("metrics: the sum counts all workers and the control thread", "[stats]") {
  Registry registry(2);
  registry.worker(0).statements.add(5);
  registry.worker(1).statements.add();
  registry.control().connections_accepted.add(7);
  CHECK(value_of(registry, "perilune_statements_total") == 6);
  CHECK(value_of(registry, "perilune_connections_accepted_total") == 7);
  CHECK(registry.sum(&Cells::statements) == 6);
}

TEST_CASE("metrics: one thread may raise a gauge that another lowers", "[stats]") {
  Registry registry(1);
  registry.control().sessions_open.add(3);
  registry.worker(0).sessions_open.subtract(2);
  CHECK(registry.sum(&Cells::sessions_open) == 1);
  registry.worker(0).sessions_open.subtract();
  CHECK(registry.sum(&Cells::sessions_open) == 0);
}

TEST_CASE("metrics: threads that count at once lose nothing", "[stats]") {
  constexpr std::int64_t kThreads = 4;
  constexpr std::int64_t kRounds = 20'000;
  Registry registry(kThreads);
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < registry.workers(); ++i) {
      threads.emplace_back([&cells = registry.worker(i)] {
        for (std::int64_t n = 0; n < kRounds; ++n) cells.client_bytes.add(2);
      });
    }
    // A reader in between sees something between nothing and all.
    const std::int64_t seen = registry.sum(&Cells::client_bytes);
    CHECK(seen >= 0);
    CHECK(seen <= 2 * kThreads * kRounds);
  }
  CHECK(registry.sum(&Cells::client_bytes) == 2 * kThreads * kRounds);
}

TEST_CASE("metrics: no two threads share a cache line", "[stats]") {
  Registry registry(2);
  const auto* const first = reinterpret_cast<const char*>(&registry.worker(0));
  const auto* const second = reinterpret_cast<const char*>(&registry.worker(1));
  CHECK(reinterpret_cast<std::uintptr_t>(first) % kCellsAlignment == 0);
  CHECK((second - first) % static_cast<std::ptrdiff_t>(kCellsAlignment) == 0);
}

TEST_CASE("metrics: names follow the conventions of Prometheus", "[stats]") {
  std::set<std::string_view> names;
  for (const Metric& metric : kMetrics) {
    CAPTURE(metric.name);
    CHECK(names.insert(metric.name).second);
    CHECK(is_metric_name(metric.name));
    CHECK(metric.name.substr(0, 9) == "perilune_");
    CHECK(metric.name.ends_with("_total") == (metric.kind == Kind::Counter));
    CHECK(metric.help.size() > 10);
    CHECK(metric.help.back() != '.');
  }
}
