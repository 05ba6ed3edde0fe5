#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace perilune::session {

// What the sessions of all workers may hold together of statements that are not complete yet
// (settings.memory_limit). Any thread.
class MemoryBudget {
 public:
  // Bytes; what is held already stays.
  void set_limit(std::uint64_t limit) noexcept { limit_.store(limit, std::memory_order_relaxed); }
  std::uint64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }

  // One holder's part, given back when it is destroyed.
  class Share {
   public:
    explicit Share(std::shared_ptr<MemoryBudget> budget) noexcept : budget_(std::move(budget)) {}
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share() {
      if (budget_) budget_->used_.fetch_sub(size_, std::memory_order_relaxed);
    }

    // False, and nothing changes, when the budget does not suffice. Without one everything does.
    bool grow_to(std::uint64_t size) noexcept {
      if (!budget_ || size <= size_) return true;
      if (!budget_->take(size - size_)) return false;
      size_ = size;
      return true;
    }

   private:
    std::shared_ptr<MemoryBudget> budget_;
    std::uint64_t size_ = 0;
  };

 private:
  bool take(std::uint64_t size) noexcept {
    const std::uint64_t limit = limit_.load(std::memory_order_relaxed);
    std::uint64_t used = used_.load(std::memory_order_relaxed);
    do {
      if (size > limit || used > limit - size) return false;
    } while (!used_.compare_exchange_weak(used, used + size, std::memory_order_relaxed));
    return true;
  }

  std::atomic<std::uint64_t> used_{0};
  std::atomic<std::uint64_t> limit_{UINT64_MAX};
};

}  // namespace perilune::session
