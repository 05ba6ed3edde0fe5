#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "util/clock.hh"

namespace perilune::log {

// What a script declares of a log of statements. Equal ones are one log.
struct QueryLogOptions {
  enum class Where : std::uint8_t { File, Socket, Syslog, Journal };
  enum class Format : std::uint8_t { Text, Json, Raw };
  enum class OnFull : std::uint8_t { Drop, Block };
  enum class Type : std::uint8_t { Stream, Datagram };
  static constexpr std::uint64_t kUsualStatement = 64 << 10;

  Where where = Where::File;
  std::string target;  // a path or an address
  Format format = Format::Text;
  OnFull on_full = OnFull::Drop;
  Millis block_timeout{30000};
  std::uint64_t buffer = 4ULL << 20;  // bytes that wait for the writer, for each worker
  Type type = Type::Stream;
  std::optional<std::uint32_t> mode;  // of a file; 0640 where it is made
  bool parameters = false;
  std::uint64_t max_statement = kUsualStatement;
  bool mask = true;
  bool operator==(const QueryLogOptions&) const = default;
};

}  // namespace perilune::log
