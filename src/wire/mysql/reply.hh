#pragma once

// "Generic Response Packets".

#include <cstdint>
#include <string>
#include <string_view>

#include "util/bytes.hh"
#include "util/result.hh"
#include "wire/mysql/protocol.hh"

namespace perilune::wire::mysql {

// "OK_Packet", also in the place of an EOF_Packet (header 0xFE).
struct Ok {
  std::uint8_t header = kOkHeader;
  std::uint64_t affected_rows = 0;
  std::uint64_t last_insert_id = 0;
  std::uint16_t status = 0;
  std::uint16_t warnings = 0;
  std::string info;
  Buffer
      session_state;  // raw; there if status has kSessionStateChanged and SESSION_TRACK was agreed
};

Result<Ok> decode_ok(Bytes payload, std::uint64_t capabilities) noexcept;
void append_ok(Buffer& out, const Ok& ok, std::uint64_t capabilities);

// "ERR_Packet".
struct Err {
  std::uint16_t code = 0;
  std::string sql_state;  // five characters, or empty: errors before the login have none
  std::string message;
};

Result<Err> decode_err(Bytes payload) noexcept;
// A missing state is sent as HY000 to a client of the 4.1 protocol.
void append_err(Buffer& out, const Err& err, std::uint64_t capabilities);

inline bool is_err(Bytes payload) noexcept {
  return !payload.empty() && payload.front() == std::byte{kErrHeader};
}

// "ERR_Packet" of MariaDB with an error code of 0xFFFF: says how far a statement is, and ends
// nothing.
inline bool is_progress_report(Bytes payload) noexcept {
  return payload.size() >= 3 && is_err(payload) && payload[1] == std::byte{0xFF} &&
         payload[2] == std::byte{0xFF};
}

// "EOF_Packet".
struct Eof {
  std::uint16_t warnings = 0;
  std::uint16_t status = 0;
};

Result<Eof> decode_eof(Bytes payload) noexcept;
void append_eof(Buffer& out, const Eof& eof);

}  // namespace perilune::wire::mysql
