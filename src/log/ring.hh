#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace perilune::log {

// A queue of byte strings between one writing and one reading thread, without locks. Bounded by
// its capacity; an item of more than half of that never fits.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): each thread has a cache line of its own
class Ring {
 public:
  struct Item {
    std::string_view bytes;  // valid until it is popped
    std::uint32_t session = 0;
    std::uint64_t end = 0;  // for pop()
  };

  explicit Ring(std::size_t capacity);
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // --- the writing thread
  bool push(std::string_view bytes, std::uint32_t session) noexcept;  // false: no room
  // A position: what is pushed from now on comes behind it.
  std::uint64_t end() const noexcept { return tail_.load(std::memory_order_relaxed); }
  bool can_ever_hold(std::size_t size) const noexcept { return needed(size) <= capacity_ / 2; }

  // --- the reading thread
  // How much is looked at: at least one item if there is any before the position, then no more
  // than these.
  struct Part {
    std::size_t items;
    std::size_t bytes;
    std::uint64_t before = UINT64_MAX;
  };
  void peek(std::vector<Item>& items, const Part& part) const;
  void pop(std::uint64_t end) noexcept { head_.store(end, std::memory_order_seq_cst); }

  // --- any thread
  std::uint64_t used() const noexcept {
    const std::uint64_t head = head_.load(std::memory_order_acquire);
    return tail_.load(std::memory_order_acquire) - head;
  }
  std::size_t capacity() const noexcept { return capacity_; }

 private:
  struct Header {
    std::uint32_t size;
    std::uint32_t session;
  };

  static std::size_t needed(std::size_t size) noexcept;
  void put_header(std::size_t at, Header header) noexcept;
  Header header_at(std::size_t at) const noexcept;

  const std::size_t capacity_;
  const std::unique_ptr<char[]> bytes_;
  alignas(64) std::atomic<std::uint64_t> head_{0};  // both only grow
  alignas(64) std::atomic<std::uint64_t> tail_{0};
};

}  // namespace perilune::log
