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

std::size_t cost_of(const wire::BoundParameters& parameters) noexcept {
  std::size_t cost = 0;
  for (const auto& row : parameters.rows) {
    cost += sizeof row + row.size() * sizeof(BoundValue);
    for (const BoundValue& value : row) {
      const auto* const text = std::get_if<std::string>(&value);
      if (text != nullptr) cost += text->size();
    }
  }
  return cost;
}

void add(std::optional<std::uint64_t>& sum, std::uint64_t more) noexcept {
  sum = sum.value_or(0) + more;
}

}  // namespace

StatementLog::StatementLog(session::Session& session, std::size_t outstanding)
    : outlet_(session), due_(outstanding) {}

StatementLog::~StatementLog() {
  for (Statement& statement : due_) end(statement, false);
}

// --- commands

std::size_t StatementLog::worth_gathering(Command command) const noexcept {
  const std::size_t most = outlet_.max_statement();
  const bool has_values = executes(command) || command == Command::StmtSendLongData;
  if (has_text(command)) return most + 1;
  if (has_values) return outlet_.wants_parameters() ? most : OwnAnswers::kHead;
  return kLongestCommand;
}

void StatementLog::command_begins(Command command) {
  is_arriving_ = true;
  most_ = worth_gathering(command);
  gathered_.clear();
  size_ = 0;
}

void StatementLog::command_bytes(Bytes piece) {
  if (!is_arriving_) return;
  size_ += piece.size();
  const std::size_t room = most_ - std::min(most_, gathered_.size());
  gathered_.append(as_text(piece.first(std::min(room, piece.size()))));
}

void StatementLog::command_ends() {
  if (!std::exchange(is_arriving_, false)) return;
  const Bytes payload = as_bytes(gathered_);
  if (wire::answer_form(command_of(payload)) == wire::AnswerForm::None) {
    note_silent(payload);
  } else {
    push(make(payload, size_));
  }
}

void StatementLog::note_silent(Bytes payload) {
  const Command command = command_of(payload);
  if (command == Command::StmtSendLongData && outlet_.wants_parameters()) {
    texts_.add_long_data(payload);
  }
  if (command != Command::StmtClose) return;
  if (const auto id = wire::decode_statement_id(payload)) texts_.close(*id);
}

void StatementLog::push(Statement statement) {
  held_ += statement.cost;
  due_.push_back(std::move(statement));
}

StatementLog::Statement StatementLog::make(Bytes payload, std::uint64_t size) {
  Statement statement;
  statement.command = command_of(payload);
  statement.kind = kind_of(statement.command);
  statement.time = std::chrono::system_clock::now();
  statement.sent = Clock::now();
  statement.backslash_escapes = backslash_escapes_;
  if (executes(statement.command)) {
    make_execution(statement, payload, size);
  } else if (statement.kind != nullptr) {
    make_text(statement, payload, size);
  }
  if (statement.command == Command::ResetConnection) texts_.clear();
  statement.cost = statement.text.size() + cost_of(statement.parameters);
  return statement;
}

void StatementLog::make_text(Statement& statement, Bytes payload, std::uint64_t size) {
  if (!has_text(statement.command)) {
    statement.text = wire::describe_command(payload);
    statement.size = statement.text.size();
    return;
  }
  const std::string_view text = as_text(payload.subspan(1));
  statement.size = size - 1;
  statement.text = text;
  if (statement.command == Command::StmtPrepare) {
    statement.prepared = texts_.begin(text, statement.size);
  }
}

void StatementLog::make_execution(Statement& statement, Bytes payload, std::uint64_t size) {
  const auto id = wire::decode_statement_id(payload);
  statement.prepared = texts_.find(id ? *id : 0);
  PreparedTexts::Prepared& prepared = *statement.prepared;
  if (!prepared.is_known) {
    statement.text = "(prepared before statements were logged)";
    statement.size = statement.text.size();
    return;
  }
  if (!outlet_.wants_parameters()) return;
  statement.parameters =
      statement.command == Command::StmtBulkExecute
          ? wire::decode_bulk(payload, prepared.count, prepared.types)
          : wire::decode_execute(payload, prepared.count, prepared.types, prepared.long_data);
  statement.parameters.cut = statement.parameters.cut || size > payload.size();
  texts_.forget_long_data(prepared);
}

CommandStart StatementLog::start_of(Bytes input) const {
  CommandStart start;
  const wire::PacketHeader header = wire::decode_header(input);
  const Bytes body = input.subspan(wire::kHeaderSize);
  const std::size_t here = std::min<std::size_t>(header.length, body.size());
  if (here == 0) return start;
  const std::size_t most = worth_gathering(command_of(body));
  append(start.bytes, body.first(std::min(here, most)));
  start.size = wire::extent_of(input).payload;
  return start;
}

void StatementLog::replaced(const CommandStart& original, Bytes sent) {
  const std::size_t most = worth_gathering(command_of(sent));
  Statement statement = make(sent.first(std::min(sent.size(), most)), sent.size());
  if (has_text(command_of(original.bytes))) {
    statement.original = as_text(Bytes{original.bytes}.subspan(1));
    statement.original_size = original.size - 1;
  } else {
    statement.original = wire::describe_command(original.bytes);
    statement.original_size = statement.original.size();
  }
  statement.cost += statement.original.size();
  push(std::move(statement));
}

void StatementLog::answered_here(const CommandStart& command, const OwnAnswers::Outcome& outcome) {
  if (command.bytes.empty()) return;
  const bool is_silent =
      wire::answer_form(command_of(command.bytes)) == wire::AnswerForm::None;
  if (is_silent) return note_silent(command.bytes);
  Statement statement = make(command.bytes, command.size);
  statement.first = statement.sent;
  statement.rows = outcome.rows;
  statement.affected = outcome.affected;
  statement.error = outcome.error;
  statement.id = outcome.prepared;
  statement.count = outcome.parameters;
  end(statement, true);
}

// --- answers

void StatementLog::answer_piece(Bytes piece) {
  if (due_.empty()) return;
  if (!due_.front().first) due_.front().first = Clock::now();
  const bool is_error = !piece_.empty() || wire::is_err(piece);
  const std::size_t room = kLongestError - std::min(kLongestError, piece_.size());
  if (is_error) append(piece_, piece.first(std::min(room, piece.size())));
}

void StatementLog::answer_payload(Bytes head, Part part) {
  const Buffer pieces = std::exchange(piece_, {});
  if (due_.empty()) return;
  Statement& statement = due_.front();
  if (!statement.first) statement.first = Clock::now();
  if (wire::is_err(head) && !wire::is_progress_report(head)) {
    if (auto err = wire::decode_err(pieces.empty() ? head : Bytes{pieces})) {
      statement.error = *std::move(err);
    }
    return;
  }
  if (part.is_head) take_head(statement, head);
  if (part.begins_rows) add(statement.rows, 0);
  if (part.is_row) add(statement.rows, 1);
}

// OK, also in the place of a result that has no rows; "COM_STMT_PREPARE_OK".
void StatementLog::take_head(Statement& statement, Bytes head) const {
  perilune::wire::Cursor in{head};
  const std::uint8_t first = in.u8();
  const bool is_eof = first == wire::kEofHeader && head.size() == 5;
  if (statement.command == Command::StmtPrepare) {
    statement.id = in.u32();
    in.u16();  // columns
    statement.count = in.u16();
  } else if ((first == wire::kOkHeader || first == wire::kEofHeader) && !is_eof) {
    add(statement.affected, in.lenenc());
  }
}

void StatementLog::rows(std::size_t count) {
  if (!due_.empty()) add(due_.front().rows, count);
}

void StatementLog::answered() {
  if (due_.empty()) return;
  Statement statement = std::move(due_.front());
  due_.pop_front();
  held_ -= statement.cost;
  end(statement, true);
}

// --- records

void StatementLog::end(Statement& statement, bool was_answered) {
  if (statement.kind != nullptr) write(statement, was_answered);
  const bool is_prepared = statement.command == Command::StmtPrepare && was_answered &&
                           !statement.error && statement.prepared;
  if (is_prepared) texts_.enter(statement.id, statement.count, statement.prepared);
}

void StatementLog::write(const Statement& statement, bool was_answered) {
  const bool by_prepared = executes(statement.command) && statement.prepared->is_known;
  const Clock::time_point now = Clock::now();
  log::Record record;
  record.time = statement.time;
  record.kind = statement.kind;
  record.sql = by_prepared ? std::string_view(statement.prepared->text) : statement.text;
  record.sql_size = by_prepared ? statement.prepared->size : statement.size;
  record.original = statement.original;
  record.original_size = statement.original_size;
  record.parameters = statement.parameters.rows;
  record.parameters_cut = statement.parameters.cut;
  record.duration = now - statement.sent;
  record.first = statement.first.value_or(now) - statement.sent;
  record.rows = statement.rows;
  record.affected = statement.affected;
  if (statement.error) {
    record.error = log::RecordError{statement.error->code, statement.error->sql_state,
                                    statement.error->message};
  }
  record.answered = was_answered;
  record.backslash_escapes = statement.backslash_escapes;
  outlet_.write(record);
}

}  // namespace perilune::proto::mysql
