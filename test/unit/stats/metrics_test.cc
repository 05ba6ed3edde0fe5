#include "stats/metrics.hh"

#include <chrono>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/catch.hh"

using namespace perilune;
using namespace perilune::stats;

TEST_CASE("metrics: everything starts at zero", "[stats]") {
  const Registry registry(3);
  for (const Metric& metric : kMetrics) CHECK(registry.sum(metric.cell) == 0);
  CHECK(registry.sum(Callback::OnLogin).calls == 0);
  CHECK(registry.listeners().empty());
}

TEST_CASE("metrics: the sum counts all workers, the control thread and the listeners", "[stats]") {
  Registry registry(2);
  registry.worker(0).lua_errors.add(5);
  registry.worker(1).lua_errors.add();
  registry.control().lua_errors.add(7);
  const auto listener = registry.listener("*:3306");
  listener->worker(1).lua_errors.add(20);
  CHECK(registry.sum(&Cells::lua_errors) == 33);
  CHECK(listener->sum(&Cells::lua_errors) == 20);
}

TEST_CASE("metrics: a listener that comes back goes on counting", "[stats]") {
  Registry registry(1);
  registry.listener("a")->worker(0).statements.add(3);
  const auto again = registry.listener("a");
  again->worker(200).statements.add();
  CHECK(again->sum(&Cells::statements) == 4);
  CHECK(registry.listeners().size() == 1);
  CHECK(registry.listener("b") != again);
}

TEST_CASE("metrics: listeners that are gone are forgotten when there are too many", "[stats]") {
  Registry registry(1);
  const auto kept = registry.listener("kept");
  for (std::size_t i = 0; i < Registry::kMostListeners + 10; ++i) {
    registry.listener("listener " + std::to_string(i));
  }
  CHECK(registry.listeners().size() == Registry::kMostListeners);
  CHECK(registry.listener("kept") == kept);
}

TEST_CASE("metrics: one thread may raise a gauge that another lowers", "[stats]") {
  Registry registry(1);
  registry.control().sessions_open.add(3);
  registry.worker(0).sessions_open.subtract(2);
  CHECK(registry.sum(&Cells::sessions_open) == 1);
  registry.worker(0).sessions_open.subtract();
  CHECK(registry.sum(&Cells::sessions_open) == 0);
}

TEST_CASE("metrics: callbacks by what they are called for", "[stats]") {
  Registry registry(2);
  registry.worker(0).callbacks.finish(Callback::OnQuery, std::chrono::milliseconds(2));
  registry.worker(1).callbacks.finish(Callback::OnQuery, std::chrono::milliseconds(3));
  registry.listener("a")->worker(0).callbacks.fail(Callback::OnQuery, true);
  registry.worker(0).callbacks.fail(Callback::Every, false);
  const CallbackSum sum = registry.sum(Callback::OnQuery);
  CHECK(sum.calls == 2);
  CHECK(sum.nanos == 5'000'000);
  CHECK(sum.errors == 1);
  CHECK(sum.aborts == 1);
  CHECK(registry.sum(Callback::Every).errors == 1);
  CHECK(registry.sum(Callback::Every).aborts == 0);
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
  std::set<std::pair<std::string_view, std::string_view>> known;
  for (const Metric& metric : kMetrics) {
    CAPTURE(metric.name);
    CHECK(known.emplace(metric.name, metric.label).second);
    CHECK(metric.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == metric.name.npos);
    CHECK(metric.name.substr(0, 9) == "perilune_");
    CHECK(metric.name.ends_with("_total") == (metric.kind == Kind::Counter));
    if (metric.help.empty()) CHECK((&metric - 1)->name == metric.name);
    if (!metric.help.empty()) CHECK(metric.help.back() != '.');
  }
  for (const HistogramMetric& metric : kHistograms) {
    CHECK(metric.name.ends_with("_seconds"));
    CHECK(metric.help.size() > 10);
  }
}
