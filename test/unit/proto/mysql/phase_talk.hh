#pragma once

// What tests of the command phase say and expect when they spell it out.

#include <string>
#include <string_view>

#include "unit/proto/mysql/phase_stage.hh"
#include "unit/wire/mysql/exchange_wire.hh"
#include "wire/mysql/framing.hh"
#include "wire/mysql/reply.hh"

namespace perilune::test {

inline StageOptions modern() {
  StageOptions options;
  options.capabilities = kModern;
  options.status = status::kAutocommit;
  return options;
}

inline Buffer query(std::string_view text) { return command(Command::Query, text); }
inline Buffer ok_packet(std::uint8_t sequence = 1) { return packet(from_hex(kOk), sequence); }

inline Buffer operator+(Buffer left, const Buffer& right) {
  append(left, right);
  return left;
}

// A text result of one row.
inline Buffer rows() {
  return packet(from_hex("01"), 1) + packet(from_hex(kDefinition), 2) + packet(from_hex(kRow), 3) +
         packet(from_hex(kOkEnd), 4);
}

// The packets that have arrived, taken off: sequence numbers and the first bytes of the payloads.
inline std::string take_packets(Peer& peer) {
  std::string seen;
  Bytes rest = peer.received;
  while (rest.size() > kHeaderSize) {
    const PacketHeader header = decode_header(rest);
    if (!seen.empty()) seen += ' ';
    const auto first = static_cast<unsigned>(rest[kHeaderSize]);
    seen += std::to_string(header.sequence) + (first == kErrHeader ? ":err" : ":");
    if (first == kErrHeader) {
      seen += std::to_string(decode_err(first_payload(rest))->code);
    } else {
      seen += std::to_string(first);
    }
    rest = rest.subspan(kHeaderSize + header.length);
  }
  peer.received.clear();
  return seen;
}

inline Buffer take(Peer& peer) { return std::exchange(peer.received, {}); }

// The callback waits at the texts that begin so.
inline void wait_at(PhaseStage& stage, std::string beginning) {
  stage.hooks->statement = [beginning = std::move(beginning)](std::string_view text, auto) {
    return text.starts_with(beginning) ? FakeHooks::Answer{}
                                       : FakeHooks::Answer{session::Proceed{}};
  };
}

}  // namespace perilune::test
