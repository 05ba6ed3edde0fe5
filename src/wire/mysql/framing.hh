#pragma once

// "MySQL Packets": a payload travels in packets of a 3-byte length, a sequence number and that many
// bytes.

#include <array>
#include <cstddef>
#include <cstdint>

#include "util/bytes.hh"
#include "wire/mysql/protocol.hh"

namespace perilune::wire::mysql {

struct PacketHeader {
  std::uint32_t length =
      0;  // of what follows the header; kMaxPacket: the payload goes on behind it
  std::uint8_t sequence = 0;
};

// `bytes` must hold at least kHeaderSize.
inline PacketHeader decode_header(Bytes bytes) noexcept {
  const unsigned char* at = as_uchars(bytes);
  return {static_cast<std::uint32_t>(at[0] | at[1] << 8 | at[2] << 16), at[3]};
}

inline std::array<std::byte, kHeaderSize> encode_header(PacketHeader header) noexcept {
  return {static_cast<std::byte>(header.length), static_cast<std::byte>(header.length >> 8),
          static_cast<std::byte>(header.length >> 16), static_cast<std::byte>(header.sequence)};
}

// How far the payload at the front of a buffer goes.
struct Extent {
  std::uint64_t payload = 0;  // its bytes, as far as they are announced
  std::size_t bytes = 0;      // with the headers; not more than the buffer holds
  std::uint32_t packets = 0;  // announced
  bool complete = false;
};

Extent extent_of(Bytes buffer) noexcept;

// The payload at the front of a buffer that holds all of it: in place where it is one packet.
class FrontPayload {
 public:
  explicit FrontPayload(Bytes buffer);
  FrontPayload(const FrontPayload&) = delete;
  FrontPayload& operator=(const FrontPayload&) = delete;
  Bytes bytes() const noexcept { return view_; }

 private:
  Buffer joined_;
  Bytes view_;
};

// The packets that a payload of this size takes.
inline std::uint64_t packets_for(std::uint64_t payload) noexcept { return payload / kMaxPacket + 1; }

// Appends the packets that carry one payload; `sequence` is the number of the first and becomes
// that of the next. A payload of a multiple of kMaxPacket is closed by an empty packet.
void append_packets(Buffer& out, Bytes payload, std::uint8_t& sequence);

}  // namespace perilune::wire::mysql
