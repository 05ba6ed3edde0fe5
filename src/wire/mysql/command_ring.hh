#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "wire/mysql/protocol.hh"

namespace perilune::wire::mysql {

// A command whose answer is due.
struct DueCommand {
  Command command = Command::Sleep;
  std::uint8_t sequence = 0;  // of its last packet seen
};

// The outstanding commands of a session, oldest first. A few live in the object; only a deep
// pipeline needs the heap, and gives it back once it has run dry.
class CommandRing {
 public:
  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }

  const DueCommand& front() const noexcept {
    assert(size_ > 0);
    return slots()[first_];
  }
  const DueCommand& back() const noexcept {
    assert(size_ > 0);
    return slots()[last()];
  }
  DueCommand& back() noexcept {
    assert(size_ > 0);
    return slots()[last()];
  }

  void push(DueCommand command) {
    if (size_ == capacity_) grow();
    ++size_;
    back() = command;
  }

  void pop() noexcept {
    assert(size_ > 0);
    first_ = static_cast<std::uint16_t>((first_ + 1U) & (capacity_ - 1U));
    if (--size_ == 0 && heap_) shrink();
  }

 private:
  static constexpr std::uint16_t kInline = 8;  // capacities are powers of two

  unsigned last() const noexcept { return (first_ + size_ - 1U) & (capacity_ - 1U); }
  DueCommand* slots() noexcept { return heap_ ? heap_.get() : inline_.data(); }
  const DueCommand* slots() const noexcept { return heap_ ? heap_.get() : inline_.data(); }
  void grow();
  void shrink() noexcept;

  std::unique_ptr<DueCommand[]> heap_;
  std::array<DueCommand, kInline> inline_{};
  std::uint16_t first_ = 0;
  std::uint16_t size_ = 0;
  std::uint16_t capacity_ = kInline;
};

}  // namespace perilune::wire::mysql
