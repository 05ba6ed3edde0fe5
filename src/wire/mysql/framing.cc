#include "wire/mysql/framing.hh"

#include <algorithm>

namespace perilune::wire::mysql {

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
