#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "util/bytes.hh"
#include "wire/mysql/framing.hh"

namespace perilune::wire::mysql {

// Where one direction stands in its stream of packets; moved on over any pieces of it.
class PacketPosition {
 public:
  // Nothing of the next packet was seen.
  bool between_packets() const noexcept { return left_ == 0 && header_bytes_ == 0; }
  // Nothing of the next payload was seen.
  bool between_payloads() const noexcept { return between_packets() && !continues_; }
  bool in_body() const noexcept { return left_ > 0; }
  // The payload goes on in another packet.
  bool continues() const noexcept { return continues_; }
  // Of the last packet whose header is complete.
  std::uint8_t sequence() const noexcept { return sequence_; }
  void set_sequence(std::uint8_t sequence) noexcept { sequence_ = sequence; }

  void enter(PacketHeader header) noexcept {
    left_ = header.length;
    continues_ = header.length == kMaxPacket;
    sequence_ = header.sequence;
    header_bytes_ = 0;
  }

  // Takes what is missing of a header off `in`, as far as it goes. Complete: `header` is set.
  struct HeaderPart {
    std::size_t taken = 0;
    bool complete = false;
    PacketHeader header;
  };
  HeaderPart gather_header(Bytes in) noexcept {
    HeaderPart part;
    part.taken = std::min(kHeaderSize - header_bytes_, in.size());
    std::copy_n(in.begin(), part.taken, header_.begin() + header_bytes_);
    header_bytes_ = static_cast<std::uint8_t>(header_bytes_ + part.taken);
    part.complete = header_bytes_ == kHeaderSize;
    if (part.complete) part.header = decode_header(header_);
    return part;
  }

  // How many of `available` bytes belong to the body; they are passed.
  std::size_t pass_body(std::size_t available) noexcept {
    const std::size_t passed = std::min<std::size_t>(left_, available);
    left_ -= static_cast<std::uint32_t>(passed);
    return passed;
  }

 private:
  std::uint32_t left_ = 0;
  std::array<std::byte, kHeaderSize> header_{};
  std::uint8_t header_bytes_ = 0;
  std::uint8_t sequence_ = 0;
  bool continues_ = false;
};

}  // namespace perilune::wire::mysql
