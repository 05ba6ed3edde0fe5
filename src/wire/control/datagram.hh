#pragma once

// The control datagrams of CM4all's beng-proxy and its kin: a magic number, then commands of a
// header (size of the payload, number; big-endian) and a payload padded to a multiple of 4.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "util/bytes.hh"

namespace perilune::wire::control {

inline constexpr std::uint16_t kDefaultPort = 5478;
inline constexpr std::size_t kMaxPayload = 0xFFFF;
// More than that fits into no datagram.
inline constexpr std::size_t kMaxDatagram = 0x10000;

// Those that we know by name.
enum class Number : std::uint16_t {
  FadeChildren = 8,
  FlushFilterCache = 12,
  DiscardSession = 14,
  FlushHttpCache = 15,
  TerminateChildren = 16,
  DisconnectDatabase = 20,
  ResetLimiter = 22,
  RejectClient = 23,
  TarpitClient = 24,
  CancelJob = 25,
};

struct Command {
  Number number;  // any, also one that has no name
  Bytes payload;  // without the padding; points into the datagram
};

// Reads the commands of a datagram one after the other. What comes before a mistake is valid.
class Reader {
 public:
  explicit Reader(Bytes datagram) noexcept;

  // None: at the end, or at a mistake.
  std::optional<Command> next() noexcept;
  // What is wrong, a literal; null: nothing so far.
  const char* mistake() const noexcept { return mistake_; }

 private:
  std::optional<Command> fail(const char* mistake) noexcept;

  Bytes left_;
  const char* mistake_ = nullptr;
};

// A datagram without commands.
Buffer make_datagram();
// The payload has at most kMaxPayload bytes.
void append_command(Buffer& datagram, Number number, Bytes payload);

}  // namespace perilune::wire::control
