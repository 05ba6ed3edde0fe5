#pragma once

#include <cstddef>
#include <cstdint>

#include "util/bytes.hh"
#include "wire/mysql/protocol.hh"

namespace perilune::wire::mysql {

// What a server sends in return for a command ("Command Phase").
enum class AnswerForm : std::uint8_t {
  None,       // nothing
  Single,     // OK, EOF or ERR
  Text,       // one packet that may begin with any byte
  ResultSet,  // OK, ERR, a request for a local file, or a result set; maybe several
  Prepared,   // a statement's number, definitions of parameters and columns
  Rows,       // rows or definitions up to their end
  BinaryLog,  // events until the server has no more; the client's packets are no commands meanwhile
  Opaque,     // OK or ERR; after OK, another protocol in both directions
  Login,      // an authentication dialogue
};

AnswerForm answer_form(Command command) noexcept;

// Follows one answer, payload by payload, to its end.
class Answer {
 public:
  // Enough of a payload's first bytes to understand it: the longest form is OK with two 9-byte
  // integers before the status.
  static constexpr std::size_t kHead = 24;

  enum class Step : std::uint8_t {
    More,
    Done,
    WantsFile,
    TakesOver,  // BinaryLog, Opaque: the server agreed, what the client sends is no command now
    Malformed,
  };

  explicit Answer(std::uint64_t capabilities) noexcept;

  void begin(Command command) noexcept;

  // Takes note of a complete payload. head: its first bytes, kHead or all; length: that of its
  // first packet, kMaxPacket if it needed more than one.
  Step payload(Bytes head, std::uint32_t length) noexcept;

  // Whether a payload with this first byte, in one packet, is a row that changes nothing.
  bool passes_row(std::uint8_t first) const noexcept {
    return phase_ == Phase::Rows && first < kEofHeader;
  }

  // What comes next begins an answer or one of its results; is a row or the end of them.
  bool is_at_head() const noexcept { return phase_ == Phase::Head; }
  bool is_in_rows() const noexcept { return phase_ == Phase::Rows; }

  // Of the last OK or EOF packet seen, in any answer.
  std::uint16_t status() const noexcept { return status_; }
  void set_status(std::uint16_t status) noexcept { status_ = status; }
  // An error has ended the answer.
  bool has_failed() const noexcept { return failed_; }
  const char* reason() const noexcept { return reason_; }

 private:
  enum class Phase : std::uint8_t { Head, Params, ParamsEnd, Columns, ColumnsEnd, Rows };

  Step single(Bytes head) noexcept;
  Step result_head(Bytes head) noexcept;
  Step result_metadata(Bytes head) noexcept;
  Step prepared_head(Bytes head) noexcept;
  Step row(Bytes head, std::uint32_t length) noexcept;
  Step event(Bytes head, std::uint32_t length) const noexcept;
  Step definition() noexcept;
  Step params_follow(std::uint16_t count, bool sent) noexcept;
  Step columns_follow(std::uint64_t count, bool sent) noexcept;
  Step definitions_end(Bytes head, std::uint32_t length) noexcept;
  Step after_definitions() noexcept;
  Step end_of_result() noexcept;
  bool ends_rows(Bytes head, std::uint32_t length) const noexcept;
  bool note_status(Bytes head) noexcept;
  Step malformed(const char* reason) noexcept;

  const char* reason_ = "";
  std::uint32_t definitions_ = 0;  // still to come in this phase
  std::uint16_t columns_ = 0;      // of a prepared statement, while its parameters pass
  std::uint16_t status_ = 0;
  AnswerForm form_ = AnswerForm::Single;
  Phase phase_ = Phase::Head;
  Command command_ = Command::Sleep;
  bool definitions_end_in_eof_;
  bool says_if_metadata_follows_;  // behind the column count
  bool prepared_says_if_follows_;  // at the end of COM_STMT_PREPARE_OK
  bool prepared_sends_definitions_ = true;
  bool failed_ = false;
};

}  // namespace perilune::wire::mysql
