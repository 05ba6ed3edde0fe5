#pragma once

#include <utility>

namespace perilune {

// Runs a function when the scope ends, however it ends.
template <typename F>
class [[nodiscard]] ScopeExit {
 public:
  explicit ScopeExit(F function) : function_(std::move(function)) {}
  ScopeExit(const ScopeExit&) = delete;
  ScopeExit& operator=(const ScopeExit&) = delete;
  ~ScopeExit() {
    if (armed_) function_();
  }
  void disarm() noexcept { armed_ = false; }

 private:
  F function_;
  bool armed_ = true;
};

}  // namespace perilune
