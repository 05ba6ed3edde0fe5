#include "stats/metrics.hh"

#include <cassert>

namespace perilune::stats {

Registry::Registry(std::size_t workers)
    : threads_(workers + 1), cells_(std::make_unique<Cells[]>(threads_)) {}

// The control thread's cells come last.
Cells& Registry::worker(std::size_t index) noexcept {
  assert(index < workers());
  return cells_[index];
}

Cells& Registry::control() noexcept { return cells_[threads_ - 1]; }

std::int64_t Registry::sum(Cell Cells::*cell) const noexcept {
  std::uint64_t total = 0;  // wraps where one thread only lowers a gauge; the sum wraps back
  for (std::size_t i = 0; i < threads_; ++i) total += (cells_[i].*cell).read();
  return static_cast<std::int64_t>(total);
}

}  // namespace perilune::stats
