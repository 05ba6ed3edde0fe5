#pragma once

#include <optional>

#include "event/latch.hh"
#include "event/loop.hh"

namespace perilune::event {

// Wakes one waiter for any number of rings since it last woke:
//   co_await bell.rung();
//   bell.reset();
class Bell {
 public:
  explicit Bell(Loop& loop) : loop_(loop) { reset(); }
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;

  void ring() { rung_->set(); }
  // Until the next reset.
  Latch& rung() noexcept { return *rung_; }
  // Not while somebody waits.
  void reset() { rung_.emplace(loop_); }

 private:
  Loop& loop_;
  std::optional<Latch> rung_;
};

}  // namespace perilune::event
