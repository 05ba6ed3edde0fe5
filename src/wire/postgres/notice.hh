#pragma once

// "ErrorResponse" and "NoticeResponse": one body, a list of fields.

#include <cstdint>
#include <string>
#include <string_view>

#include "util/bytes.hh"
#include "util/result.hh"
#include "wire/postgres/protocol.hh"

namespace perilune::wire::postgres {

// "Error and Notice Message Fields".
enum class NoticeField : std::uint8_t {
  Severity = 'S',  // in the server's language
  SeverityInEnglish = 'V',
  SqlState = 'C',
  Message = 'M',
  Detail = 'D',
  Hint = 'H',
};

// What a server says of an error, as far as a proxy cares. Views point into the body; all are empty
// if the field is missing.
struct NoticeView {
  std::string_view severity;  // in English if the server says so, which it does since 9.6
  std::string_view sql_state;
  std::string_view message;
  std::string_view detail;
  std::string_view hint;

  // The server closes the connection.
  bool is_fatal() const noexcept { return severity == "FATAL" || severity == "PANIC"; }
};

Result<NoticeView> decode_notice(Bytes body) noexcept;

enum class Severity : std::uint8_t { Error, Fatal };

// What a proxy says itself.
struct Error {
  Severity severity = Severity::Error;
  std::string_view sql_state = sqlstate::kInternalError;  // replaced by this if it is not one
  std::string_view message;
  std::string_view detail = {};
  std::string_view hint = {};
};

void append_error(Buffer& out, const Error& error);

// Five digits and capital letters.
bool is_sql_state(std::string_view text) noexcept;

}  // namespace perilune::wire::postgres
