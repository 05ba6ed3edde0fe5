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

// Appends the packets that carry one payload; `sequence` is the number of the first and becomes
// that of the next. A payload of a multiple of kMaxPacket is closed by an empty packet.
void append_packets(Buffer& out, Bytes payload, std::uint8_t& sequence);

}  // namespace perilune::wire::mysql
