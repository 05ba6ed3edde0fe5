#pragma once

// Answers with rows, for clients of a session that makes its own. All are appended as packets;
// `sequence` is the number of the first one and becomes that of the next.

#include <cstdint>
#include <span>

#include "util/bytes.hh"
#include "wire/mysql/result_columns.hh"

namespace perilune::wire::mysql {

struct ResultContext {
  std::uint64_t capabilities = 0;  // those negotiated with the client; PROTOCOL_41 is one
  std::uint16_t status = 0;        // of the session; no change of its state is announced
  std::uint16_t warnings = 0;
};

// "Text Resultset", for COM_QUERY.
void append_text_result(Buffer& out, const ResultRows& rows, const ResultContext& context,
                        std::uint8_t& sequence);

// "Binary Protocol Resultset", for COM_STMT_EXECUTE. There is no cursor, whatever was asked for.
void append_binary_result(Buffer& out, const ResultRows& rows, const ResultContext& context,
                          std::uint8_t& sequence);

// "COM_STMT_PREPARE Response".
struct Prepared {
  std::uint32_t id = 0;
  std::uint16_t parameters = 0;
  std::span<const ResultColumn> columns;  // none if not known before it is executed
};

void append_prepared(Buffer& out, const Prepared& prepared, const ResultContext& context,
                     std::uint8_t& sequence);

}  // namespace perilune::wire::mysql
