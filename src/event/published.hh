#pragma once

#include <memory>
#include <mutex>
#include <utility>

namespace perilune::event {

// An immutable value that one thread replaces now and then and others look at. The lock is held
// for the copy of a pointer.
template <typename T>
class Published {
 public:
  // Null before the first set().
  std::shared_ptr<const T> get() const {
    const std::scoped_lock lock{mutex_};
    return value_;
  }

  void set(std::shared_ptr<const T> value) {
    const std::scoped_lock lock{mutex_};
    value_.swap(value);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
};

}  // namespace perilune::event
