#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace perilune::stats {

// A number that one thread changes and any thread reads. Plain load and store, no locked
// instruction: two writers would lose counts.
class Cell {
 public:
  void add(std::uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void subtract(std::uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
  }
  void set(std::uint64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
  std::uint64_t read() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Processors fetch lines of 64 bytes in pairs.
inline constexpr std::size_t kCellsAlignment = 128;

}  // namespace perilune::stats
