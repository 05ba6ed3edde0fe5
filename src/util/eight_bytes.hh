#pragma once

#include <cstdint>
#include <cstring>

namespace perilune {

// Eight bytes at once, for scans whose usual byte is of no interest. Each question is answered
// exactly for all eight together; which of them it is, is for the caller to find.
class EightBytes {
 public:
  static constexpr std::size_t kSize = sizeof(std::uint64_t);

  // Of kSize bytes at `from`, aligned or not.
  static EightBytes at(const char* from) noexcept {
    std::uint64_t word;
    std::memcpy(&word, from, sizeof word);
    return EightBytes{word};
  }

  bool any_is(char c) const noexcept { return (zeros(word_ ^ each(c)) & kHighBits) != 0; }
  // At most 0x80.
  bool any_below(char bound) const noexcept {
    return ((word_ - each(bound)) & ~word_ & kHighBits) != 0;
  }
  bool any_beyond_ascii() const noexcept { return (word_ & kHighBits) != 0; }
  // Letters of ASCII small; other bytes become others, which no letter becomes.
  EightBytes with_small_letters() const noexcept { return EightBytes{word_ | each(' ')}; }

 private:
  static constexpr std::uint64_t kLowBits = 0x0101010101010101;
  static constexpr std::uint64_t kHighBits = 0x8080808080808080;

  explicit EightBytes(std::uint64_t word) noexcept : word_(word) {}
  static constexpr std::uint64_t each(char c) noexcept {
    return kLowBits * static_cast<unsigned char>(c);
  }
  // The high bit of the lowest byte that is zero, and perhaps of others above it.
  static constexpr std::uint64_t zeros(std::uint64_t word) noexcept {
    return (word - kLowBits) & ~word;
  }

  std::uint64_t word_;
};

}  // namespace perilune
