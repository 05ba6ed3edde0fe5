#include "lua/memory.hh"

#include <cstdlib>

namespace perilune::lua {

void* Memory::reallocate(void* block, std::size_t old_size, std::size_t new_size) noexcept {
  if (new_size == 0) {
    std::free(block);
    used_ -= old_size;
    return nullptr;
  }
  // Shrinking must never fail.
  if (new_size > old_size && refuses(old_size, new_size)) return nullptr;
  void* const moved = std::realloc(block, new_size);
  if (moved == nullptr) return new_size <= old_size ? block : nullptr;
  used_ += new_size - old_size;
  return moved;
}

void Memory::fail_at(std::uint64_t n, std::uint64_t count) noexcept {
  fail_from_ = n == 0 ? 0 : allocations_ + n;
  fail_until_ = fail_from_ + count;
}

bool Memory::refuses(std::size_t old_size, std::size_t new_size) noexcept {
  ++allocations_;
  if (!enforcing_) return false;
  if (fail_from_ > 0 && allocations_ >= fail_from_ && allocations_ < fail_until_) return true;
  return limit_ > 0 && used_ + (new_size - old_size) > limit_;
}

}  // namespace perilune::lua
