#pragma once

// wire: protocol codecs. Bytes in, meaning out: no I/O, no policy, no clock. Decoders are noexcept
// and return Result<T>, whatever the bytes are; encoders append a payload to a Buffer. What is
// common to the protocols is here; each protocol has its own folder.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "util/bytes.hh"
#include "util/result.hh"

namespace perilune::wire {

// Reads fields off the front of untrusted bytes. The first failure sticks: later reads give zeros
// and empty views, and finish() reports it, so that a decoder reads like the description of its
// format. Integers are little-endian unless their name begins with "be"; "lenenc" is MySQL's
// length-encoded form. Views point into the bytes.
class Cursor {
 public:
  explicit Cursor(Bytes bytes) noexcept : left_(bytes) {}

  std::uint8_t u8() noexcept { return static_cast<std::uint8_t>(integer(1)); }
  std::uint16_t u16() noexcept { return static_cast<std::uint16_t>(integer(2)); }
  std::uint32_t u24() noexcept { return static_cast<std::uint32_t>(integer(3)); }
  std::uint32_t u32() noexcept { return static_cast<std::uint32_t>(integer(4)); }
  std::uint64_t u64() noexcept { return integer(8); }
  // In network byte order, the most significant byte first.
  std::uint16_t be16() noexcept { return static_cast<std::uint16_t>(big_integer(2)); }
  std::uint32_t be32() noexcept { return static_cast<std::uint32_t>(big_integer(4)); }

  std::uint64_t lenenc() noexcept {
    switch (const std::uint8_t first = u8()) {
      case 0xFC:
        return u16();
      case 0xFD:
        return u24();
      case 0xFE:
        return u64();
      case 0xFB:  // NULL in a row, no integer
      case 0xFF:
        fail("length-encoded integer");
        return 0;
      default:
        return first;
    }
  }

  Bytes take(std::size_t size) noexcept {
    if (size > left_.size()) {
      fail("too short");
      return {};
    }
    const Bytes taken = left_.first(size);
    left_ = left_.subspan(size);
    return taken;
  }

  Bytes lenenc_bytes() noexcept {
    const std::uint64_t size = lenenc();
    if (size > left_.size()) {
      fail("too short");
      return {};
    }
    return take(static_cast<std::size_t>(size));
  }

  std::string_view text(std::size_t size) noexcept { return as_text(take(size)); }
  std::string_view lenenc_text() noexcept { return as_text(lenenc_bytes()); }

  // The NUL is read too and belongs to the field.
  std::string_view text_until_nul() noexcept {
    const std::size_t size = as_text(left_).find('\0');
    if (size == std::string_view::npos) {
      fail("no NUL at the end of a text");
      return {};
    }
    const std::string_view found = text(size);
    u8();
    return found;
  }

  // As text_until_nul(), for fields that some peers end with the packet instead.
  std::string_view text_until_nul_or_end() noexcept {
    return as_text(left_).find('\0') == std::string_view::npos ? as_text(rest()) : text_until_nul();
  }

  Bytes rest() noexcept { return take(left_.size()); }

  std::size_t left() const noexcept { return left_.size(); }
  bool empty() const noexcept { return left_.empty(); }
  bool ok() const noexcept { return error_ == nullptr; }

  // `what` must be a literal; it names what was wrong.
  void require(bool condition, const char* what) noexcept {
    if (!condition) fail(what);
  }

  void fail(const char* what) noexcept {
    if (error_ == nullptr) error_ = what;
    left_ = {};
  }

  // The value if every field was there and nothing is left over.
  template <typename T>
  Result<T> finish(T value) noexcept {
    if (!left_.empty()) fail("bytes left over");
    if (error_ != nullptr) return Malformed{error_};
    return Result<T>{std::move(value)};
  }

 private:
  std::uint64_t integer(std::size_t size) noexcept {
    std::uint64_t value = 0;
    const Bytes bytes = take(size);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
    }
    return value;
  }

  std::uint64_t big_integer(std::size_t size) noexcept {
    std::uint64_t value = 0;
    for (const std::byte byte : take(size)) value = value << 8 | std::to_integer<unsigned>(byte);
    return value;
  }

  Bytes left_;
  const char* error_ = nullptr;
};

}  // namespace perilune::wire
