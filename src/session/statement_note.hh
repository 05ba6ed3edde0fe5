#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "util/clock.hh"

namespace perilune::session {

// The beginning of the statement that a session has sent last, for those who look on. Memory of its
// own: what runs is forwarded and gone.
class StatementNote {
 public:
  static constexpr std::size_t kMost = 240;

  void take(const char* kind, std::string_view text, Millis now) noexcept {
    kind_ = kind;
    since_ = now;
    size_ = static_cast<std::uint16_t>(std::min(text.size(), kMost));
    is_cut_ = text.size() > kMost;
    std::copy_n(text.begin(), size_, text_.begin());
  }

  const char* kind() const noexcept { return kind_; }  // "query", "execute", …
  std::string_view text() const noexcept { return {text_.data(), size_}; }
  bool is_cut() const noexcept { return is_cut_; }
  Millis since() const noexcept { return since_; }  // of the loop's clock

 private:
  const char* kind_ = "";
  Millis since_{};
  std::uint16_t size_ = 0;
  bool is_cut_ = false;
  std::array<char, kMost> text_;
};

}  // namespace perilune::session
