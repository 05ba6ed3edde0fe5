#include "event/latch.hh"

#include <utility>

namespace perilune::event {

Latch::~Latch() {
  if (self_) *self_ = nullptr;
  for (Waiter* waiter = waiters_; waiter != nullptr; waiter = waiter->next_) {
    waiter->linked_ = false;
  }
}

void Latch::set() {
  if (std::exchange(set_, true)) return;
  self_ = std::make_shared<Latch*>(this);
  loop_.defer([self = self_] {
    if (*self != nullptr) (*self)->wake();
  });
}

void Latch::wake() {
  const auto self = self_;
  while (*self != nullptr && waiters_ != nullptr) {
    Waiter* const waiter = waiters_;
    waiter->unlink();
    waiter->waiter_.resume();
  }
}

void Latch::Waiter::link(std::coroutine_handle<> waiter) noexcept {
  waiter_ = waiter;
  next_ = latch_->waiters_;
  latch_->waiters_ = this;
  linked_ = true;
}

void Latch::Waiter::unlink() noexcept {
  if (!std::exchange(linked_, false)) return;
  Waiter** position = &latch_->waiters_;
  while (*position != this) position = &(*position)->next_;
  *position = next_;
}

}  // namespace perilune::event
