#include "stats/metrics.hh"

#include <algorithm>
#include <cassert>

namespace perilune::stats {

std::int64_t ListenerCells::sum(Cell Cells::*cell) const {
  std::uint64_t total = 0;
  for_each([&total, cell](std::size_t, const Cells& cells) { total += (cells.*cell).read(); });
  return static_cast<std::int64_t>(total);
}

HistogramSum ListenerCells::sum(Histogram Cells::*histogram) const {
  HistogramSum total;
  for_each([&](std::size_t, const Cells& cells) { (cells.*histogram).add_to(total); });
  return total;
}

Registry::Registry(std::size_t workers)
    : threads_(workers + 1), cells_(std::make_unique<Cells[]>(threads_)) {}

// The control thread's cells come last.
Cells& Registry::worker(std::size_t index) noexcept {
  assert(index < workers());
  return cells_[index];
}

const Cells& Registry::worker(std::size_t index) const noexcept {
  assert(index < workers());
  return cells_[index];
}

Cells& Registry::control() noexcept { return cells_[threads_ - 1]; }

std::shared_ptr<ListenerCells> Registry::listener(const std::string& label) {
  const std::scoped_lock lock{mutex_};
  const auto same = [&label](const auto& cells) { return cells->label() == label; };
  const auto found = std::ranges::find_if(listeners_, same);
  if (found != listeners_.end()) return *found;
  if (listeners_.size() >= kMostListeners) {
    const auto unused = [](const auto& cells) { return cells.use_count() == 1; };
    const auto gone = std::ranges::find_if(listeners_, unused);
    if (gone != listeners_.end()) listeners_.erase(gone);
  }
  listeners_.push_back(std::make_shared<ListenerCells>(label));
  return listeners_.back();
}

std::vector<std::shared_ptr<ListenerCells>> Registry::listeners() const {
  const std::scoped_lock lock{mutex_};
  return listeners_;
}

template <typename Visitor>
void Registry::for_each_cells(Visitor&& visitor) const {
  for (std::size_t i = 0; i < threads_; ++i) visitor(cells_[i]);
  for (const auto& listener : listeners()) {
    listener->for_each([&visitor](std::size_t, const Cells& cells) { visitor(cells); });
  }
}

std::int64_t Registry::sum(Cell Cells::*cell) const {
  std::uint64_t total = 0;  // wraps where one thread only lowers a gauge; the sum wraps back
  for_each_cells([&total, cell](const Cells& cells) { total += (cells.*cell).read(); });
  return static_cast<std::int64_t>(total);
}

CallbackSum Registry::sum(Callback callback) const {
  CallbackSum total;
  for_each_cells([&](const Cells& cells) { cells.callbacks.add_to(callback, total); });
  return total;
}

}  // namespace perilune::stats
