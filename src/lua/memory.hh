#pragma once

#include <cstddef>
#include <cstdint>

namespace perilune::lua {

// The memory of one Lua state: counted, and limited as settings{script_memory=} says.
class Memory {
 public:
  // 0: no limit. What is in use already stays, whatever the limit.
  void set_limit(std::size_t bytes) noexcept { limit_ = bytes; }
  std::size_t used() const noexcept { return used_; }
  std::size_t limit() const noexcept { return limit_; }

  // lua_Alloc's contract.
  void* reallocate(void* block, std::size_t old_size, std::size_t new_size) noexcept;

  // Limits and failures count from here on.
  void enforce() noexcept { enforcing_ = true; }

  // For tests: from now on the n-th allocation (1: the next) and `count - 1` after it fail.
  void fail_at(std::uint64_t n, std::uint64_t count = 1) noexcept;
  std::uint64_t allocations() const noexcept { return allocations_; }

 private:
  bool refuses(std::size_t old_size, std::size_t new_size) noexcept;

  std::size_t limit_ = 0;
  std::size_t used_ = 0;
  std::uint64_t allocations_ = 0;
  std::uint64_t fail_from_ = 0;
  std::uint64_t fail_until_ = 0;
  bool enforcing_ = false;
};

}  // namespace perilune::lua
