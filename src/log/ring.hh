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
class Ring {
 public:
  enum class Kind : std::uint8_t { Line, Piece, EndOfSession };

  struct Item {
    std::string_view bytes;  // valid until it is popped
    std::uint32_t session = 0;
    Kind kind = Kind::Line;
    std::uint64_t end = 0;  // for pop()
  };

  explicit Ring(std::size_t capacity);
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // --- the writing thread
  bool push(std::string_view bytes, std::uint32_t session, Kind kind) noexcept;  // false: no room
  bool can_ever_hold(std::size_t size) const noexcept { return needed(size) <= capacity_ / 2; }

  // --- the reading thread
  // The items at the front: at least one if there is any, then no more than these.
  void peek(std::vector<Item>& items, std::size_t most_items, std::size_t most_bytes) const;
  void pop(std::uint64_t end) noexcept { head_.store(end, std::memory_order_seq_cst); }

  // --- any thread
  std::uint64_t used() const noexcept {
    const std::uint64_t head = head_.load(std::memory_order_acquire);
    return tail_.load(std::memory_order_acquire) - head;
  }
  std::size_t capacity() const noexcept { return capacity_; }

 private:
  struct Header {
    std::uint32_t size_and_kind;  // the kind in the two upper bits
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
