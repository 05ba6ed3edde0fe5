#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace perilune {

// First in, first out. Places are used again, with the memory that T::clear() leaves them; many are
// given back once the queue has run empty.
template <typename T>
class ReusedQueue {
 public:
  bool empty() const noexcept { return count_ == 0; }
  std::size_t size() const noexcept { return count_; }
  // Counted from the oldest.
  T& at(std::size_t index) noexcept { return places_[place(first_ + index)]; }
  T& front() noexcept { return at(0); }
  T& back() noexcept { return at(count_ - 1); }

  T& push() {
    if (count_ == places_.size()) grow();
    ++count_;
    return back();
  }

  void pop() noexcept {
    front().clear();
    first_ = place(first_ + 1);
    if (--count_ == 0 && places_.size() > kKept) {
      places_ = std::vector<T>{};
      first_ = 0;
    }
  }

  // Takes out all from the second to the one before `end`.
  void erase_behind_front(std::size_t end) noexcept {
    std::swap(at(0), at(end - 1));
    for (; end > 1; --end) pop();
  }

 private:
  static constexpr std::size_t kKept = 8;

  // Of a number below twice the size.
  std::size_t place(std::size_t number) const noexcept {
    return number < places_.size() ? number : number - places_.size();
  }

  void grow() {
    std::rotate(places_.begin(), places_.begin() + static_cast<std::ptrdiff_t>(first_),
                places_.end());
    first_ = 0;
    places_.resize(std::max<std::size_t>(1, count_ * 2));
  }

  std::vector<T> places_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

}  // namespace perilune
