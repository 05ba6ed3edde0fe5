#pragma once

#include <array>
#include <atomic>
#include <cassert>
#include <cstddef>

namespace perilune::stats {

inline constexpr std::size_t kMostWorkers = 256;

// One T for each worker that has asked for it. Each is changed by its worker's thread alone and
// looked at by any.
template <typename T>
class PerWorker {
 public:
  PerWorker() = default;
  PerWorker(const PerWorker&) = delete;
  PerWorker& operator=(const PerWorker&) = delete;
  ~PerWorker() {
    for (auto& part : parts_) delete part.load(std::memory_order_relaxed);
  }

  // On that worker's thread; makes it on first need.
  T& of(std::size_t worker) {
    assert(worker < parts_.size());
    T* part = parts_[worker].load(std::memory_order_relaxed);
    if (part == nullptr) {
      part = new T;
      parts_[worker].store(part, std::memory_order_release);
    }
    return *part;
  }

  // visitor(std::size_t worker, const T&) for each that there is.
  template <typename Visitor>
  void for_each(Visitor&& visitor) const {
    for (std::size_t worker = 0; worker < parts_.size(); ++worker) {
      const T* const part = parts_[worker].load(std::memory_order_acquire);
      if (part != nullptr) visitor(worker, *part);
    }
  }

 private:
  std::array<std::atomic<T*>, kMostWorkers> parts_{};
};

}  // namespace perilune::stats
