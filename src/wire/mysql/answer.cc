#include "wire/mysql/answer.hh"

#include <array>

#include "wire/cursor.hh"
#include "wire/mysql/reply.hh"

namespace perilune::wire::mysql {

namespace {

constexpr std::array<AnswerForm, 256> make_forms() {
  std::array<AnswerForm, 256> forms{};
  // Commands that a server does not know, or no longer, are answered with an error.
  forms.fill(AnswerForm::Single);
  const auto set = [&forms](Command command, AnswerForm form) {
    forms[static_cast<std::uint8_t>(command)] = form;
  };
  set(Command::Quit, AnswerForm::None);
  set(Command::StmtClose, AnswerForm::None);
  set(Command::StmtSendLongData, AnswerForm::None);
  set(Command::Statistics, AnswerForm::Text);
  set(Command::Query, AnswerForm::ResultSet);
  set(Command::ProcessInfo, AnswerForm::ResultSet);
  set(Command::StmtExecute, AnswerForm::ResultSet);
  set(Command::StmtBulkExecute, AnswerForm::ResultSet);
  set(Command::StmtPrepare, AnswerForm::Prepared);
  set(Command::FieldList, AnswerForm::Rows);
  set(Command::StmtFetch, AnswerForm::Rows);
  set(Command::BinlogDump, AnswerForm::BinaryLog);
  set(Command::BinlogDumpGtid, AnswerForm::BinaryLog);
  set(Command::Clone, AnswerForm::Opaque);
  set(Command::SubscribeGroupReplicationStream, AnswerForm::Opaque);
  set(Command::ChangeUser, AnswerForm::Login);
  return forms;
}

constexpr std::array<AnswerForm, 256> kForms = make_forms();

std::uint8_t first_of(Bytes head) noexcept { return std::to_integer<std::uint8_t>(head.front()); }

}  // namespace

AnswerForm answer_form(Command command) noexcept {
  return kForms[static_cast<std::uint8_t>(command)];
}

Answer::Answer(std::uint64_t capabilities) noexcept
    : definitions_end_in_eof_((capabilities & capability::kDeprecateEof) == 0),
      says_if_metadata_follows_((capabilities & (capability::kOptionalResultsetMetadata |
                                                 capability::kMariadbCacheMetadata)) != 0),
      prepared_says_if_follows_((capabilities & capability::kOptionalResultsetMetadata) != 0) {}

void Answer::begin(Command command) noexcept {
  command_ = command;
  form_ = answer_form(command);
  failed_ = false;
  phase_ = form_ == AnswerForm::Rows ? Phase::Rows : Phase::Head;
}

Answer::Step Answer::payload(Bytes head, std::uint32_t length) noexcept {
  if (form_ == AnswerForm::Text) return Step::Done;
  if (head.empty()) return malformed("empty packet in an answer");
  if (is_progress_report(head)) return Step::More;
  failed_ = is_err(head);
  if (failed_) return Step::Done;
  if (form_ == AnswerForm::Single) return single(head);
  if (form_ == AnswerForm::BinaryLog) return event(head, length);
  if (form_ == AnswerForm::Opaque) return Step::TakesOver;
  switch (phase_) {
    case Phase::Head:
      return form_ == AnswerForm::Prepared ? prepared_head(head) : result_head(head);
    case Phase::Params:
    case Phase::Columns:
      return definition();
    case Phase::ParamsEnd:
    case Phase::ColumnsEnd:
      return definitions_end(head, length);
    case Phase::Rows:
      return row(head, length);
  }
  return malformed("answer");
}

Answer::Step Answer::single(Bytes head) noexcept {
  const std::uint8_t first = first_of(head);
  if (first == kOkHeader || first == kEofHeader) note_status(head);
  return Step::Done;
}

// "COM_QUERY Response". A column count never needs 0xFE: that is an OK in the place of an EOF.
Answer::Step Answer::result_head(Bytes head) noexcept {
  switch (first_of(head)) {
    case kOkHeader:
    case kEofHeader:
      return note_status(head) ? end_of_result() : malformed("OK packet");
    case kLocalFileHeader:
      return Step::WantsFile;
    default:
      return result_metadata(head);
  }
}

// "Text Resultset". The flag stands behind the count, in MySQL (start_result_metadata) and MariaDB.
Answer::Step Answer::result_metadata(Bytes head) noexcept {
  Cursor in{head};
  const std::uint64_t columns = in.lenenc();
  const bool sent = !says_if_metadata_follows_ || in.u8() != 0;
  if (!in.ok() || columns > 0xFFFF) return malformed("column count");
  return columns_follow(columns, sent);
}

// "COM_STMT_PREPARE_OK".
Answer::Step Answer::prepared_head(Bytes head) noexcept {
  Cursor in{head};
  in.require(in.u8() == kOkHeader, "header");
  in.u32();  // statement
  columns_ = in.u16();
  const std::uint16_t params = in.u16();
  in.take(3);  // filler, warnings
  prepared_sends_definitions_ = !prepared_says_if_follows_ || in.u8() != 0;
  if (!in.ok()) return malformed("answer to COM_STMT_PREPARE");
  return params_follow(params, prepared_sends_definitions_);
}

Answer::Step Answer::params_follow(std::uint16_t count, bool sent) noexcept {
  phase_ = Phase::Params;
  definitions_ = sent ? count : 0;
  if (definitions_ > 0) return Step::More;
  if (count == 0) return columns_follow(columns_, prepared_sends_definitions_);
  return after_definitions();
}

Answer::Step Answer::columns_follow(std::uint64_t count, bool sent) noexcept {
  phase_ = Phase::Columns;
  if (count == 0) return Step::Done;
  definitions_ = sent ? static_cast<std::uint32_t>(count) : 0;
  return definitions_ > 0 ? Step::More : after_definitions();
}

Answer::Step Answer::definition() noexcept {
  return --definitions_ > 0 ? Step::More : after_definitions();
}

Answer::Step Answer::after_definitions() noexcept {
  const bool params = phase_ == Phase::Params || phase_ == Phase::ParamsEnd;
  const bool eof_seen = phase_ == Phase::ParamsEnd || phase_ == Phase::ColumnsEnd;
  if (definitions_end_in_eof_ && !eof_seen) {
    phase_ = params ? Phase::ParamsEnd : Phase::ColumnsEnd;
    return Step::More;
  }
  if (params) return columns_follow(columns_, prepared_sends_definitions_);
  if (form_ == AnswerForm::Prepared) return Step::Done;
  phase_ = Phase::Rows;
  return Step::More;
}

Answer::Step Answer::definitions_end(Bytes head, std::uint32_t length) noexcept {
  if (!ends_rows(head, length) || !note_status(head)) return malformed("end of definitions");
  // "COM_STMT_EXECUTE Response": the rows of a cursor are fetched by later commands.
  if (command_ == Command::StmtExecute && (status_ & status::kCursorExists) != 0) return Step::Done;
  return after_definitions();
}

Answer::Step Answer::row(Bytes head, std::uint32_t length) noexcept {
  if (!ends_rows(head, length)) return Step::More;
  const std::uint16_t before = status_;
  if (!note_status(head)) return malformed("end of rows");
  // MySQL's EOF behind the values of OUT parameters has lost the flag that the one ahead of them had.
  if (definitions_end_in_eof_ && (before & status::kPsOutParams) != 0) {
    status_ |= before & status::kMoreResultsExist;
  }
  return form_ == AnswerForm::Rows ? Step::Done : end_of_result();
}

// The last is an EOF packet whatever was agreed ("COM_BINLOG_DUMP").
Answer::Step Answer::event(Bytes head, std::uint32_t length) const noexcept {
  return first_of(head) == kEofHeader && length < kEofBelow ? Step::Done : Step::TakesOver;
}

Answer::Step Answer::end_of_result() noexcept {
  if ((status_ & status::kMoreResultsExist) == 0) return Step::Done;
  phase_ = Phase::Head;
  return Step::More;
}

bool Answer::ends_rows(Bytes head, std::uint32_t length) const noexcept {
  return first_of(head) == kEofHeader &&
         length < (definitions_end_in_eof_ ? kEofBelow : std::size_t{kMaxPacket});
}

// EOF_Packet has five bytes, an OK_Packet at least seven: no need to know which was agreed.
bool Answer::note_status(Bytes head) noexcept {
  Cursor in{head.subspan(1)};
  if (head.size() == 5) {
    in.u16();  // warnings
  } else {
    in.lenenc();  // affected rows
    in.lenenc();  // last insert id
  }
  const std::uint16_t status = in.u16();
  if (in.ok()) status_ = status;
  return in.ok();
}

Answer::Step Answer::malformed(const char* reason) noexcept {
  reason_ = reason;
  return Step::Malformed;
}

}  // namespace perilune::wire::mysql
