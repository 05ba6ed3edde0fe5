#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "log/mask.hh"
#include "util/clock.hh"
#include "util/value.hh"

namespace perilune::log {

struct RecordError {
  std::uint16_t code = 0;  // of MySQL; 0: there is none
  std::string_view sqlstate;
  std::string_view message;
};

// A statement that has ended, as logs show it. Refers to texts of its maker: valid during a call.
struct Record {
  WallTime time{};  // when its last byte was there
  std::uint32_t session = 0;
  std::string_view protocol;
  std::string_view client;
  std::string_view account;
  std::string_view user;
  std::string_view database;
  std::string_view server;
  std::string_view kind;       // "query", "prepare", "execute", "bulk" or "command"
  std::string_view sql;        // what the server was sent, or its beginning
  std::uint64_t sql_size = 0;  // of the whole text
  std::string_view original;   // what the client sent, where the script sent something else
  std::uint64_t original_size = 0;
  // Of a prepared statement that was executed: one list; of bulk: one for each row.
  std::span<const std::vector<BoundValue>> parameters;
  bool parameters_cut = false;               // there were more
  std::chrono::duration<double> duration{};  // to the answer's last byte
  std::chrono::duration<double> first{};     // to its first one
  std::optional<std::uint64_t> rows;
  std::optional<std::uint64_t> affected;
  std::optional<RecordError> error;
  bool answered = true;           // false: the session has ended before
  Lexis lexis;                    // of the texts
};

}  // namespace perilune::log
