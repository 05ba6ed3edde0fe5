#pragma once

#include <coroutine>
#include <memory>

#include "event/loop.hh"

namespace perilune::event {

// A flag that is set once. Setting it resumes the waiters in the next turn of the loop, never
// inside set().
class Latch {
 public:
  explicit Latch(Loop& loop) noexcept : loop_(loop) {}
  Latch(const Latch&) = delete;
  Latch& operator=(const Latch&) = delete;
  ~Latch();

  bool is_set() const noexcept { return set_; }
  void set();

  // Waits for the latch; unregisters itself when destroyed.
  class Waiter {
   public:
    explicit Waiter(Latch& latch) noexcept : latch_(&latch) {}
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter() { unlink(); }

    bool await_ready() const noexcept { return latch_->set_; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { link(waiter); }
    void await_resume() noexcept { unlink(); }

    void link(std::coroutine_handle<> waiter) noexcept;
    void unlink() noexcept;

   private:
    friend class Latch;
    Latch* latch_;
    std::coroutine_handle<> waiter_;
    Waiter* next_ = nullptr;
    bool linked_ = false;
  };
  Waiter operator co_await() noexcept { return Waiter{*this}; }

 private:
  void wake();

  Loop& loop_;
  Waiter* waiters_ = nullptr;
  std::shared_ptr<Latch*> self_;  // made by set(); the deferred wake-up may outlive the latch
  bool set_ = false;
};

}  // namespace perilune::event
