#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace perilune::wire::postgres {

// What the server is still to answer, or to read in COPY.
enum class Due : std::uint8_t {
  Query,
  FunctionCall,
  Sync,
  Parse,
  Bind,
  Describe,
  Execute,
  Close,
  CopyEnd,  // CopyDone or CopyFail: nothing answers it
};

// The outstanding messages of a session, oldest first, a byte each. A few live in the object; only
// a deep pipeline needs the heap, and gives it back once it has run dry.
class DueRing {
 public:
  static constexpr std::size_t kMax = 32768;

  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }

  Due front() const noexcept { return at(0); }
  // Counted from the oldest.
  Due at(std::size_t index) const noexcept {
    assert(index < size_);
    return slots()[(first_ + index) & (capacity_ - 1U)];
  }

  // Not with kMax in it.
  void push(Due due) {
    assert(size_ < kMax);
    if (size_ == capacity_) grow();
    slots()[(first_ + size_) & (capacity_ - 1U)] = due;
    ++size_;
  }

  void pop(std::size_t count = 1) noexcept {
    assert(count <= size_);
    first_ = static_cast<std::uint16_t>((first_ + count) & (capacity_ - 1U));
    size_ = static_cast<std::uint16_t>(size_ - count);
    if (size_ == 0 && heap_) shrink();
  }

  // Takes out all from the second to the one before `end`.
  void erase_behind_front(std::size_t end) noexcept {
    const Due front = at(0);
    pop(end - 1);
    slots()[first_] = front;
  }

 private:
  static constexpr std::uint16_t kInline = 16;  // capacities are powers of two

  Due* slots() noexcept { return heap_ ? heap_.get() : inline_.data(); }
  const Due* slots() const noexcept { return heap_ ? heap_.get() : inline_.data(); }
  void grow();
  void shrink() noexcept;

  std::unique_ptr<Due[]> heap_;
  std::array<Due, kInline> inline_{};
  std::uint16_t first_ = 0;
  std::uint16_t size_ = 0;
  std::uint16_t capacity_ = kInline;
};

}  // namespace perilune::wire::postgres
