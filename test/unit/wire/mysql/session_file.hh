#pragma once

// Recorded sessions of test/data/sessions; README.md there describes the format.

#include <cstdint>
#include <string>
#include <vector>

#include "util/bytes.hh"

namespace perilune::test {

struct Part {
  bool from_client = false;
  Buffer bytes;
};

// What passes from one command to the next: the command, the answer, a local file in between.
struct RecordedCommand {
  bool pipelined = false;  // sent without waiting for the answer to the command before
  std::vector<Part> parts;
};

struct RecordedSession {
  std::string name;
  std::vector<Part> login;
  std::vector<RecordedCommand> commands;
  std::uint64_t capabilities = 0;  // as negotiated in the login
};

// Sorted by name. Throws if one is not as it should be.
std::vector<RecordedSession> recorded_sessions();

// The payload of the packet that `bytes` begin with.
Bytes first_payload(Bytes bytes);

// A packet with this payload, which must be shorter than kMaxPacket.
Buffer packet(Bytes payload, std::uint8_t sequence = 0);

}  // namespace perilune::test
