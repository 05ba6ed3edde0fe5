#include "proto/mysql/statement_log.hh"

#include <algorithm>
#include <array>
#include <utility>

#include "proto/mysql/question.hh"
#include "wire/cursor.hh"
#include "wire/mysql/commands.hh"
#include "wire/mysql/framing.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;
using wire::Command;

namespace {

constexpr std::size_t kLongestCommand = 1024;  // but for those with texts
constexpr std::size_t kLongestError = 1024;
constexpr std::string_view kUnknown = "(prepared before statements were logged)";
// Of memory that is kept for the next statement.
constexpr std::size_t kKeptBytes = 2048;

// Statements and commands with an effect; the others are matters of the connection.
const char* kind_of(Command command) noexcept {
  constexpr std::array kNone{Command::Quit,      Command::Statistics,       Command::Ping,
                             Command::Time,      Command::StmtSendLongData, Command::StmtClose,
                             Command::StmtReset, Command::StmtFetch,        Command::ChangeUser};
  switch (command) {
    case Command::Query:
      return "query";
    case Command::StmtPrepare:
      return "prepare";
    case Command::StmtExecute:
      return "execute";
    case Command::StmtBulkExecute:
      return "bulk";
    default:
      return std::ranges::find(kNone, command) != kNone.end() ? nullptr : "command";
  }
}

bool has_text(Command command) noexcept {
  return command == Command::Query || command == Command::StmtPrepare;
}

bool executes(Command command) noexcept {
  return command == Command::StmtExecute || command == Command::StmtBulkExecute;
}

Command command_of(Bytes payload) noexcept { return static_cast<Command>(payload.front()); }

}  // namespace

// --- statements on their way

void LoggedStatement::clear() noexcept {
  std::string memory = std::move(payload);
  course.begin({}, {});
  *this = {};
  if (memory.capacity() > kKeptBytes) return;
  memory.clear();
  payload = std::move(memory);
}

std::size_t LoggedStatement::cost() const noexcept {
  std::size_t sum = payload.size() + course.original.size();
  if (command == Command::StmtPrepare && prepared) sum += prepared->text.size();
  for (const auto& [number, data] : long_data) sum += data.size();
  return sum;
}

StatementLog::StatementLog(session::Session& session, std::size_t outstanding) : outlet_(session) {
  for (std::size_t i = 0; i < outstanding; ++i) due_.push();
}

StatementLog::~StatementLog() {
  bytes_arrived();
  for (; !due_.empty(); due_.pop()) end(due_.front(), false);
}

// --- commands

std::size_t StatementLog::worth_gathering(Command command) const noexcept {
  const std::size_t most = outlet_.max_statement();
  const bool has_values = executes(command) || command == Command::StmtSendLongData;
  if (has_text(command)) return most + 1;
  if (has_values) return outlet_.wants_parameters() ? most : OwnAnswers::kHead;
  return kLongestCommand;
}

// A server may answer before all of a command is here: it has its place from the beginning.
void StatementLog::command_begins(Command command) {
  is_arriving_ = true;
  is_silent_ = wire::answer_form(command) == wire::AnswerForm::None;
  if (!is_silent_) due_.push().command = command;
  gathering_.begin(worth_gathering(command));
}

void StatementLog::command_bytes(Bytes piece) {
  if (is_arriving_) gathering_.take(piece);
}

void StatementLog::command_ends() {
  if (!std::exchange(is_arriving_, false)) return;
  if (is_silent_) return note_silent(as_bytes(gathering_.kept()), gathering_.size());
  LoggedStatement& statement = due_.back();
  statement.payload.swap(gathering_.kept());
  statement.size = gathering_.size();
  make(statement);
  held_ += statement.cost();
}

void StatementLog::note_silent(Bytes payload, std::uint64_t size) {
  const Command command = command_of(payload);
  if (command == Command::StmtSendLongData && outlet_.wants_parameters()) {
    texts_.add_long_data(payload, size, outlet_.max_statement());
  }
  if (command != Command::StmtClose) return;
  if (const auto id = wire::decode_statement_id(payload)) texts_.close(*id);
}

// Of a payload that has at least its first byte.
void StatementLog::make(LoggedStatement& statement) {
  statement.command = command_of(as_bytes(statement.payload));
  statement.kind = kind_of(statement.command);
  statement.course.time = std::chrono::system_clock::now();
  statement.course.sent = now_;
  statement.backslash_escapes = backslash_escapes_;
  if (executes(statement.command)) make_execution(statement);
  if (statement.command == Command::ResetConnection) texts_.clear();
  if (statement.command == Command::StmtReset) {
    make_execution(statement);  // what it would have been given is taken away
    statement.prepared.reset();
  }
  if (statement.command != Command::StmtPrepare) return;
  statement.prepared =
      texts_.begin(std::string_view(statement.payload).substr(1), statement.size - 1);
  statement.payload.resize(1);
}

void StatementLog::make_execution(LoggedStatement& statement) {
  const auto id = wire::decode_statement_id(as_bytes(statement.payload));
  statement.prepared = texts_.find(id ? *id : 0);
  if (!statement.prepared) return;
  statement.long_data = texts_.take_long_data(*statement.prepared);
  statement.cuts_long_data = std::exchange(statement.prepared->cuts_long_data, false);
}

CommandStart StatementLog::start_of(Bytes input) {
  CommandStart start;
  const wire::Extent extent = wire::extent_of(input);
  if (extent.complete) outlet_.write_raw(input.first(extent.bytes));
  const wire::PacketHeader header = wire::decode_header(input);
  const Bytes body = input.subspan(wire::kHeaderSize);
  const std::size_t here = std::min<std::size_t>(header.length, body.size());
  if (here == 0) return start;
  const std::size_t most = worth_gathering(command_of(body));
  append(start.bytes, body.first(std::min(here, most)));
  start.size = extent.payload;
  return start;
}

void StatementLog::replaced(const CommandStart& original, Bytes sent) {
  bytes_arrived();
  const std::size_t most = worth_gathering(command_of(sent));
  LoggedStatement& statement = due_.push();
  statement.payload = as_text(sent.first(std::min(sent.size(), most)));
  statement.size = sent.size();
  make(statement);
  if (has_text(command_of(original.bytes))) {
    statement.course.original = as_text(Bytes{original.bytes}.subspan(1));
    statement.course.original_size = original.size - 1;
  } else {
    statement.course.original = wire::describe_command(original.bytes);
    statement.course.original_size = statement.course.original.size();
  }
  held_ += statement.cost();
}

void StatementLog::answered_here(const CommandStart& command, const OwnAnswers::Outcome& outcome) {
  if (command.bytes.empty()) return;
  bytes_arrived();
  const bool is_silent = wire::answer_form(command_of(command.bytes)) == wire::AnswerForm::None;
  if (is_silent) return note_silent(command.bytes, command.size);
  LoggedStatement statement;
  statement.payload = as_text(command.bytes);
  statement.size = command.size;
  make(statement);
  statement.course.answer_begins(now_);
  statement.course.rows = outcome.rows;
  statement.course.affected = outcome.affected;
  statement.error = outcome.error;
  statement.id = outcome.prepared;
  statement.count = outcome.parameters;
  end(statement, true);
}

// --- answers

void StatementLog::answer_piece(Bytes piece) {
  if (due_.empty()) return;
  due_.front().course.answer_begins(now_);
  const bool is_error = !piece_.empty() || wire::is_err(piece);
  const std::size_t room = kLongestError - std::min(kLongestError, piece_.size());
  if (is_error) append(piece_, piece.first(std::min(room, piece.size())));
}

void StatementLog::answer_payload(Bytes head, Part part) {
  const Buffer pieces = std::exchange(piece_, {});
  if (due_.empty()) return;
  LoggedStatement& statement = due_.front();
  statement.course.answer_begins(now_);
  if (wire::is_err(head) && !wire::is_progress_report(head)) {
    if (auto err = wire::decode_err(pieces.empty() ? head : Bytes{pieces})) {
      statement.error = *std::move(err);
    }
    return;
  }
  if (part.is_head) take_head(statement, head);
  if (part.begins_rows) statement.course.add_rows(0);
  if (part.is_row) statement.course.add_rows(1);
}

// OK, also in the place of a result that has no rows; "COM_STMT_PREPARE_OK".
void StatementLog::take_head(LoggedStatement& statement, Bytes head) const {
  perilune::wire::Cursor in{head};
  const std::uint8_t first = in.u8();
  const bool is_eof = first == wire::kEofHeader && head.size() == 5;
  if (statement.command == Command::StmtPrepare) {
    statement.id = in.u32();
    in.u16();  // columns
    statement.count = in.u16();
  } else if ((first == wire::kOkHeader || first == wire::kEofHeader) && !is_eof) {
    statement.course.add_affected(in.lenenc());
  }
}

void StatementLog::rows(std::size_t count) {
  if (!due_.empty()) due_.front().course.add_rows(count);
}

void StatementLog::answered() {
  if (due_.empty()) return;
  LoggedStatement& statement = due_.front();
  const bool is_early = is_arriving_ && !is_silent_ && &statement == &due_.back();
  if (is_early) command_ends();
  held_ -= statement.cost();
  end(statement, true);
  due_.pop();
}

// --- records

void StatementLog::end(LoggedStatement& statement, bool was_answered) {
  if (statement.kind != nullptr) write(statement, was_answered);
  const bool is_prepared = statement.command == Command::StmtPrepare && was_answered &&
                           !statement.error && statement.prepared;
  if (is_prepared) texts_.enter(statement.id, statement.count, statement.prepared);
}

// Not before the statement has ended: what its statement was prepared with is known then, and the
// values take their memory for a moment only.
wire::BoundParameters StatementLog::parameters_of(LoggedStatement& statement) {
  wire::BoundParameters bound;
  if (!executes(statement.command) || !statement.prepared || !outlet_.wants_parameters())
    return bound;
  PreparedTexts::Prepared& prepared = *statement.prepared;
  const Bytes payload = as_bytes(statement.payload);
  bound = statement.command == Command::StmtBulkExecute
              ? wire::decode_bulk(payload, prepared.count, prepared.types)
              : wire::decode_execute(payload, prepared.count, prepared.types, statement.long_data);
  bound.cut = bound.cut || statement.size > payload.size() || statement.cuts_long_data;
  return bound;
}

void StatementLog::write(LoggedStatement& statement, bool was_answered) {
  const wire::BoundParameters parameters = parameters_of(statement);
  const bool by_number = executes(statement.command);
  std::string made;
  log::Record record;
  statement.course.describe(record, now_);
  record.kind = statement.kind;
  if (statement.prepared) {
    record.sql = statement.prepared->text;
    record.sql_size = statement.prepared->size;
  } else if (has_text(statement.command)) {
    record.sql = std::string_view(statement.payload).substr(1);
    record.sql_size = statement.size - 1;
  } else {
    made = by_number ? std::string(kUnknown) : wire::describe_command(as_bytes(statement.payload));
    record.sql = made;
    record.sql_size = made.size();
  }
  record.parameters = parameters.rows;
  record.parameters_cut = parameters.cut;
  if (statement.error) {
    record.error = log::RecordError{statement.error->code, statement.error->sql_state,
                                    statement.error->message};
  }
  record.answered = was_answered;
  record.lexis.backslash_escapes = statement.backslash_escapes;
  outlet_.write(record);
}

}  // namespace perilune::proto::mysql
