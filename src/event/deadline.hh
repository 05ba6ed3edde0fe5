#pragma once

#include <uv.h>

#include <array>
#include <cstdint>

#include "event/handle.hh"
#include "util/clock.hh"
#include "util/unique_function.hh"

namespace perilune::event {

class Deadlines;
class Loop;

// A time by which something must have happened; arming and disarming cost a list operation, never a
// timer of libuv. Fires from the loop at the first tick after the time, at most kTick late.
class Deadline {
 public:
  Deadline() noexcept = default;
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  ~Deadline() { disarm(); }

  // `expired` must not destroy the deadline. A delay of zero or less never expires.
  void arm(Loop& loop, Millis delay, UniqueFunction<void()> expired);
  void disarm() noexcept;
  bool is_armed() const noexcept { return owner_ != nullptr; }
  Millis remaining(const Loop& loop) const noexcept;

 private:
  friend class Deadlines;
  Deadlines* owner_ = nullptr;
  Deadline* previous_ = nullptr;
  Deadline* next_ = nullptr;
  std::uint64_t due_ = 0;  // in milliseconds of the loop's clock
  UniqueFunction<void()> expired_;
};

// All deadlines of a loop in a wheel that one coarse timer turns; the timer runs only while there
// are any.
class Deadlines {
 public:
  static constexpr Millis kTick{50};

  explicit Deadlines(Loop& loop);
  Deadlines(const Deadlines&) = delete;
  Deadlines& operator=(const Deadlines&) = delete;
  ~Deadlines();

 private:
  friend class Deadline;
  static constexpr std::size_t kSlots = 256;

  void add(Deadline& deadline) noexcept;
  void remove(Deadline& deadline) noexcept;
  void turn();
  void expire_slot(std::size_t slot, std::uint64_t now);
  static std::uint64_t tick_of(std::uint64_t millis) noexcept;

  Loop& loop_;
  Handle<uv_timer_t> timer_;
  std::array<Deadline*, kSlots> slots_{};
  Deadline* next_in_slot_ = nullptr;  // survives removal of neighbours while a slot is walked
  std::uint64_t last_tick_ = 0;
  std::size_t count_ = 0;
};

}  // namespace perilune::event
