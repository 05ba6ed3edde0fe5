#include "event/deadline.hh"

#include <cstdint>
#include <utility>

#include "event/loop.hh"

namespace perilune::event {
namespace {

constexpr auto kTickMillis = static_cast<std::uint64_t>(Deadlines::kTick.count());

}  // namespace

void Deadline::arm(Loop& loop, Millis delay, UniqueFunction<void()> expired) {
  disarm();
  if (delay.count() <= 0) return;
  expired_ = std::move(expired);
  due_ = uv_now(loop.uv()) + uv_millis(delay);
  loop.deadlines().add(*this);
}

void Deadline::disarm() noexcept {
  if (owner_ != nullptr) owner_->remove(*this);
}

Millis Deadline::remaining(const Loop& loop) const noexcept {
  const auto left = static_cast<std::int64_t>(due_) - loop.now().count();
  return Millis{is_armed() && left > 0 ? left : 0};
}

Deadlines::Deadlines(Loop& loop)
    : loop_(loop),
      timer_(make_handle<uv_timer_t>(
          [&loop](uv_timer_t* timer) { return uv_timer_init(loop.uv(), timer); },
          "uv_timer_init")) {
  timer_->data = this;
}

Deadlines::~Deadlines() {
  for (Deadline* head : slots_) {
    while (head != nullptr) {
      Deadline* next = head->next_;
      head->owner_ = nullptr;
      head = next;
    }
  }
}

// The tick at which a time has certainly passed.
std::uint64_t Deadlines::tick_of(std::uint64_t millis) noexcept {
  return (millis + kTickMillis - 1) / kTickMillis;
}

void Deadlines::add(Deadline& deadline) noexcept {
  Deadline*& head = slots_[tick_of(deadline.due_) % kSlots];
  deadline.owner_ = this;
  deadline.previous_ = nullptr;
  deadline.next_ = head;
  if (head != nullptr) head->previous_ = &deadline;
  head = &deadline;
  if (count_++ > 0) return;
  last_tick_ = uv_now(loop_.uv()) / kTickMillis;
  uv_timer_start(
      timer_.get(),
      [](uv_timer_t* timer) {
        if (timer->data != nullptr) static_cast<Deadlines*>(timer->data)->turn();
      },
      kTickMillis, kTickMillis);
}

void Deadlines::remove(Deadline& deadline) noexcept {
  if (next_in_slot_ == &deadline) next_in_slot_ = deadline.next_;
  if (deadline.previous_ != nullptr) {
    deadline.previous_->next_ = deadline.next_;
  } else {
    slots_[tick_of(deadline.due_) % kSlots] = deadline.next_;
  }
  if (deadline.next_ != nullptr) deadline.next_->previous_ = deadline.previous_;
  deadline.owner_ = nullptr;
  deadline.previous_ = deadline.next_ = nullptr;
  if (--count_ == 0) uv_timer_stop(timer_.get());
}

void Deadlines::turn() {
  const std::uint64_t now = uv_now(loop_.uv());
  const std::uint64_t tick = now / kTickMillis;
  const std::uint64_t first = tick - last_tick_ >= kSlots ? tick - kSlots + 1 : last_tick_ + 1;
  last_tick_ = tick;
  for (std::uint64_t t = first; t <= tick; ++t) expire_slot(t % kSlots, now);
}

void Deadlines::expire_slot(std::size_t slot, std::uint64_t now) {
  for (Deadline* deadline = slots_[slot]; deadline != nullptr; deadline = next_in_slot_) {
    next_in_slot_ = deadline->next_;
    if (deadline->due_ > now) continue;
    remove(*deadline);
    auto expired = std::exchange(deadline->expired_, {});
    expired();
  }
  next_in_slot_ = nullptr;
}

}  // namespace perilune::event
