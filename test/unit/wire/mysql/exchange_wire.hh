#pragma once

// An exchange between two peers, for tests that spell out what they send.

#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hh"
#include "support/hex.hh"
#include "unit/wire/mysql/session_file.hh"
#include "wire/mysql/exchange.hh"

namespace perilune::test {

using namespace wire::mysql;

inline constexpr std::uint64_t kClassic = capability::kProtocol41;
inline constexpr std::uint64_t kModern = capability::kProtocol41 | capability::kDeprecateEof;

inline Buffer command(Command what, std::string_view rest = {}) {
  Buffer payload{static_cast<std::byte>(what)};
  append(payload, as_bytes(rest));
  return packet(payload);
}

// An exchange and the two peers' habit of counting.
struct Wire {
  explicit Wire(std::uint64_t capabilities) : exchange(capabilities) {}

  Stop client(Bytes bytes) {
    const Progress progress = exchange.client(bytes, {});
    if (progress.stop == Stop::None) CHECK(progress.consumed == bytes.size());
    return progress.stop;
  }
  Stop send(Command what, std::string_view rest = {}) {
    sequence = 1;
    return client(command(what, rest));
  }
  Stop server(std::string_view hex) {
    const Buffer bytes = packet(from_hex(hex), sequence++);
    const Progress progress = exchange.server(bytes);
    if (progress.stop == Stop::None) CHECK(progress.consumed == bytes.size());
    return progress.stop;
  }
  // Sends packets that belong to one answer; it must end with the last and not before.
  void answer(const std::vector<std::string_view>& payloads) {
    const std::size_t before = exchange.outstanding();
    std::size_t left = payloads.size();
    for (const std::string_view payload : payloads) {
      CAPTURE(payload);
      CHECK(exchange.outstanding() == before);
      CHECK(exchange.owed_sequence() == sequence);
      REQUIRE(server(payload) == Stop::None);
      if (--left > 0) CHECK(exchange.outstanding() == before);
    }
    CHECK(exchange.outstanding() == before - 1);
  }

  std::string because() const { return exchange.reason(); }

  Exchange exchange;
  std::uint8_t sequence = 1;
};

inline constexpr auto kOk = "00 00 00 02 00 00 00";
inline constexpr auto kOkMore = "00 00 00 0a 00 00 00";
inline constexpr auto kOkEnd = "fe 00 00 02 00 00 00";
inline constexpr auto kOkEndMore = "fe 00 00 0a 00 00 00";
inline constexpr auto kEof = "fe 00 00 02 00";
inline constexpr auto kEofMore = "fe 00 00 0a 00";
inline constexpr auto kErr = "ff 15 04 23 3238303030 6e6f";
inline constexpr auto kProgress = "ff ff ff 01 01 02 10 27 00 00";
inline constexpr auto kDefinition =
    "03 64 65 66 00 00 00 01 61 00 0c 3f 00 01 00 00 00 08 81 00 00 00 00";
inline constexpr auto kRow = "01 31";
inline constexpr auto kNullRow = "fb";

}  // namespace perilune::test
