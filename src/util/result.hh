#pragma once

#include <cassert>
#include <utility>
#include <variant>

namespace perilune {

// Why untrusted bytes could not be understood; `what` names the field, a string literal.
struct Malformed {
  const char* what;
};

// A value or the reason why there is none; for outcomes that are expected, never for bugs.
template <typename T, typename E = Malformed>
class [[nodiscard]] Result {
 public:
  using Value = T;

  Result(T value) noexcept
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit
  Result(E error) noexcept
      : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  explicit operator bool() const noexcept { return state_.index() == 0; }
  const T& operator*() const& noexcept { return value(); }
  T& operator*() & noexcept { return value(); }
  T&& operator*() && noexcept { return std::move(value()); }
  const T* operator->() const noexcept { return &value(); }
  T* operator->() noexcept { return &value(); }
  const E& error() const noexcept {
    assert(state_.index() == 1);
    return *std::get_if<1>(&state_);
  }

 private:
  T& value() noexcept {
    assert(state_.index() == 0);
    return *std::get_if<0>(&state_);
  }
  const T& value() const noexcept {
    assert(state_.index() == 0);
    return *std::get_if<0>(&state_);
  }

  std::variant<T, E> state_;
};

}  // namespace perilune
