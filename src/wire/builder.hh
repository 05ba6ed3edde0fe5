#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "util/bytes.hh"

namespace perilune::wire {

// Appends fields to a buffer that somebody else owns and that must outlive the builder; the
// counterpart of Cursor.
class Builder {
 public:
  explicit Builder(Buffer& out) noexcept : out_(out) {}

  Builder& u8(std::uint8_t value) { return integer(value, 1); }
  Builder& u16(std::uint16_t value) { return integer(value, 2); }
  Builder& u24(std::uint32_t value) { return integer(value, 3); }
  Builder& u32(std::uint32_t value) { return integer(value, 4); }
  Builder& u64(std::uint64_t value) { return integer(value, 8); }
  // In network byte order, as Cursor's.
  Builder& be16(std::uint16_t value) {
    return u8(static_cast<std::uint8_t>(value >> 8)).u8(static_cast<std::uint8_t>(value));
  }
  Builder& be32(std::uint32_t value) {
    return be16(static_cast<std::uint16_t>(value >> 16)).be16(static_cast<std::uint16_t>(value));
  }

  Builder& lenenc(std::uint64_t value) {
    if (value < 0xFB) return u8(static_cast<std::uint8_t>(value));
    if (value <= 0xFFFF) return u8(0xFC).u16(static_cast<std::uint16_t>(value));
    if (value <= 0xFFFFFF) return u8(0xFD).u24(static_cast<std::uint32_t>(value));
    return u8(0xFE).u64(value);
  }

  Builder& bytes(Bytes more) {
    append(out_, more);
    return *this;
  }
  Builder& text(std::string_view more) { return bytes(as_bytes(more)); }
  Builder& lenenc_bytes(Bytes more) { return lenenc(more.size()).bytes(more); }
  Builder& lenenc_text(std::string_view more) { return lenenc_bytes(as_bytes(more)); }
  // The text must not contain a NUL; what follows one is left out.
  Builder& text_with_nul(std::string_view more) {
    return text(more.substr(0, more.find('\0'))).u8(0);
  }

  Builder& zeros(std::size_t count) {
    out_.resize(out_.size() + count);
    return *this;
  }

 private:
  Builder& integer(std::uint64_t value, std::size_t size) {
    std::array<std::byte, 8> little;
    for (std::size_t i = 0; i < size; ++i) little[i] = static_cast<std::byte>(value >> (8 * i));
    return bytes(Bytes{little}.first(size));
  }

  Buffer& out_;
};

}  // namespace perilune::wire
