#pragma once

// The statements that matter to a proxy itself. Each function looks at a whole text, which may end
// in semicolons, and says nothing of a text of several statements. Comments that some servers run
// (/*! */) are taken as run by all.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wire/mysql/lexer.hh"

namespace perilune::wire::mysql {

// The database of a text that is just "USE name".
std::optional<std::string> use_target(std::string_view sql);

// "KILL [HARD | SOFT] [CONNECTION | QUERY] id" with a plain number.
struct KillStatement {
  std::uint64_t id = 0;
  std::size_t id_offset = 0;  // where its digits are
  std::size_t id_length = 0;
  bool query_only = false;
  bool soft = false;
};

std::optional<KillStatement> parse_kill(std::string_view sql) noexcept;

// False: a text that begins so is no KILL. For every statement, before parse_kill.
inline bool may_be_kill(std::string_view first_bytes) noexcept {
  for (const char c : first_bytes) {
    // Most texts begin with another letter: they pay for two comparisons.
    if (static_cast<unsigned char>(c) > '/') return (c | 0x20) == 'k';
    if (!is_blank(c)) return c == '/' || c == '-' || c == '#';
  }
  return true;
}

// The placeholders outside of strings, names and comments.
std::size_t count_parameters(std::string_view sql, bool backslash_escapes = true) noexcept;

}  // namespace perilune::wire::mysql
