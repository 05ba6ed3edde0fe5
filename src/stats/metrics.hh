#pragma once

// stats: numbers about the daemon. One line in metrics.inc is a metric; each thread counts in cells
// of its own, the reader sums them. What a number means and when it moves is its owner's business.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "stats/callbacks.hh"
#include "stats/cell.hh"
#include "stats/histogram.hh"
#include "stats/per_worker.hh"

namespace perilune::stats {

// One thread's share of every metric.
struct alignas(kCellsAlignment) Cells {
#define COUNTER(scope, field, name, label, help) Cell field;
#define GAUGE(scope, field, name, label, help) Cell field;
#define SECONDS(scope, field, name, label, help) Histogram field;
#include "stats/metrics.inc"
#undef COUNTER
#undef GAUGE
#undef SECONDS
  CallbackCells callbacks;
};

enum class Kind { Counter, Gauge };

// What the values of a metric are told apart by.
enum class Scope { Process, Listener, Worker };

struct Metric {
  Scope scope;
  Kind kind;
  std::string_view name;   // as Prometheus shows it
  std::string_view label;  // "outcome=accepted", or empty
  std::string_view help;
  Cell Cells::*cell;
};

struct HistogramMetric {
  Scope scope;
  std::string_view name;
  std::string_view help;
  Histogram Cells::*histogram;
};

inline constexpr Metric kMetrics[] = {
#define COUNTER(scope, field, name, label, help) \
  {Scope::scope, Kind::Counter, name, label, help, &Cells::field},
#define GAUGE(scope, field, name, label, help) \
  {Scope::scope, Kind::Gauge, name, label, help, &Cells::field},
#define SECONDS(scope, field, name, label, help)
#include "stats/metrics.inc"
#undef COUNTER
#undef GAUGE
#undef SECONDS
};

inline constexpr HistogramMetric kHistograms[] = {
#define COUNTER(scope, field, name, label, help)
#define GAUGE(scope, field, name, label, help)
#define SECONDS(scope, field, name, label, help) {Scope::scope, name, help, &Cells::field},
#include "stats/metrics.inc"
#undef COUNTER
#undef GAUGE
#undef SECONDS
};

// What is counted for one listener, by all workers; outlives the listener, so that a reload which
// brings it back goes on counting.
class ListenerCells {
 public:
  explicit ListenerCells(std::string label) : label_(std::move(label)) {}
  ListenerCells(const ListenerCells&) = delete;
  ListenerCells& operator=(const ListenerCells&) = delete;

  const std::string& label() const noexcept { return label_; }
  // On that worker's thread.
  Cells& worker(std::size_t index) { return cells_.of(index); }
  // visitor(std::size_t worker, const Cells&), from any thread.
  template <typename Visitor>
  void for_each(Visitor&& visitor) const {
    cells_.for_each(visitor);
  }

  std::int64_t sum(Cell Cells::*cell) const;
  HistogramSum sum(Histogram Cells::*histogram) const;

 private:
  const std::string label_;
  PerWorker<Cells> cells_;
};

// The cells of all workers and of the control thread, whose number is fixed for the process, and
// those of the listeners.
class Registry {
 public:
  // Listeners that are gone are remembered up to this number of all.
  static constexpr std::size_t kMostListeners = 256;

  explicit Registry(std::size_t workers);

  std::size_t workers() const noexcept { return threads_ - 1; }
  Cells& worker(std::size_t index) noexcept;
  const Cells& worker(std::size_t index) const noexcept;
  Cells& control() noexcept;

  // The same object for the same label.
  std::shared_ptr<ListenerCells> listener(const std::string& label);
  // In the order of their making; from any thread.
  std::vector<std::shared_ptr<ListenerCells>> listeners() const;

  // The sum over all threads and listeners. A gauge may be raised by one thread and lowered by
  // another, so only the sum means anything.
  std::int64_t sum(Cell Cells::*cell) const;
  // Likewise, of one callback.
  CallbackSum sum(Callback callback) const;

 private:
  template <typename Visitor>
  void for_each_cells(Visitor&& visitor) const;

  std::size_t threads_;
  std::unique_ptr<Cells[]> cells_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<ListenerCells>> listeners_;
};

}  // namespace perilune::stats
