#pragma once

// The commands of the command phase that a proxy looks into. A payload begins with the command's
// byte; what follows the last field is ignored, as servers do. Views point into the payload.

#include <cstdint>
#include <string>
#include <string_view>

#include "util/bytes.hh"
#include "util/result.hh"

namespace perilune::wire::mysql {

// "COM_PROCESS_KILL": the connection's number.
Result<std::uint32_t> decode_process_kill(Bytes payload) noexcept;

// "COM_FIELD_LIST".
struct FieldList {
  std::string_view table;
  std::string_view wildcard;
};

Result<FieldList> decode_field_list(Bytes payload) noexcept;

// The statement's number in COM_STMT_EXECUTE, COM_STMT_CLOSE, COM_STMT_RESET, COM_STMT_FETCH,
// COM_STMT_SEND_LONG_DATA and COM_STMT_BULK_EXECUTE. The first five bytes of the payload are
// enough.
Result<std::uint32_t> decode_statement_id(Bytes payload) noexcept;

// A command without a text, as a text for people and scripts: "DROP DATABASE x". What is malformed
// or in no row is "COMMAND 33". Names are the client's bytes, quoted unless they are plain.
std::string describe_command(Bytes payload);

}  // namespace perilune::wire::mysql
