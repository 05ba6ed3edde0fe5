#include "wire/mysql/framing.hh"

#include <algorithm>

namespace perilune::wire::mysql {

Extent extent_of(Bytes buffer) noexcept {
  Extent extent;
  while (buffer.size() - extent.bytes >= kHeaderSize) {
    const PacketHeader header = decode_header(buffer.subspan(extent.bytes));
    ++extent.packets;
    extent.payload += header.length;
    const std::size_t size = kHeaderSize + header.length;
    if (buffer.size() - extent.bytes < size) break;
    extent.bytes += size;
    extent.complete = header.length < kMaxPacket;
    if (extent.complete) return extent;
  }
  extent.bytes = buffer.size();
  return extent;
}

FrontPayload::FrontPayload(Bytes buffer) {
  PacketHeader header = decode_header(buffer);
  view_ = buffer.subspan(kHeaderSize, header.length);
  if (header.length < kMaxPacket) return;
  append(joined_, view_);
  while (header.length == kMaxPacket) {
    buffer = buffer.subspan(kHeaderSize + header.length);
    header = decode_header(buffer);
    append(joined_, buffer.subspan(kHeaderSize, header.length));
  }
  view_ = joined_;
}

void append_packets(Buffer& out, Bytes payload, std::uint8_t& sequence) {
  std::uint32_t length;
  do {
    length = static_cast<std::uint32_t>(std::min<std::size_t>(payload.size(), kMaxPacket));
    append(out, encode_header({length, sequence++}));
    append(out, payload.first(length));
    payload = payload.subspan(length);
  } while (length == kMaxPacket);
}

}  // namespace perilune::wire::mysql
