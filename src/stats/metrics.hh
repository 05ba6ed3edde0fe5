#pragma once

// stats: numbers about the daemon. One line in metrics.inc is a metric; each thread counts in cells
// of its own, the reader sums them. What a number means and when it moves is its owner's business.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace perilune::stats {

// A number that one thread changes and any thread reads. Plain load and store, no locked
// instruction: two writers would lose counts.
class Cell {
 public:
  void add(std::uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void subtract(std::uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
  }
  std::uint64_t read() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Processors fetch lines of 64 bytes in pairs.
inline constexpr std::size_t kCellsAlignment = 128;

// One thread's share of every metric.
struct alignas(kCellsAlignment) Cells {
#define COUNTER(field, name, help) Cell field;
#define GAUGE(field, name, help) Cell field;
#include "stats/metrics.inc"
#undef COUNTER
#undef GAUGE
};

enum class Kind { Counter, Gauge };

struct Metric {
  std::string_view name;  // as Prometheus shows it
  std::string_view help;
  Kind kind;
  Cell Cells::*cell;
};

// The cells of all workers and of the control thread; its size is fixed for the process.
class Registry {
 public:
  explicit Registry(std::size_t workers);

  std::size_t workers() const noexcept { return threads_ - 1; }
  Cells& worker(std::size_t index) noexcept;
  Cells& control() noexcept;

  // The sum over all threads. A gauge may be raised by one thread and lowered by another, so only
  // the sum means anything.
  std::int64_t sum(Cell Cells::*cell) const noexcept;

  // visitor(const Metric&, std::int64_t value), in the order of metrics.inc; from any thread.
  template <typename Visitor>
  void for_each(Visitor&& visitor) const;

 private:
  std::size_t threads_;
  std::unique_ptr<Cells[]> cells_;
};

inline constexpr Metric kMetrics[] = {
#define COUNTER(field, name, help) {name, help, Kind::Counter, &Cells::field},
#define GAUGE(field, name, help) {name, help, Kind::Gauge, &Cells::field},
#include "stats/metrics.inc"
#undef COUNTER
#undef GAUGE
};

template <typename Visitor>
void Registry::for_each(Visitor&& visitor) const {
  for (const Metric& metric : kMetrics) visitor(metric, sum(metric.cell));
}

}  // namespace perilune::stats
