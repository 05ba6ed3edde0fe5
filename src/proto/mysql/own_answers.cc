#include "proto/mysql/own_answers.hh"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <variant>

#include "proto/mysql/errors.hh"
#include "proto/mysql/question.hh"
#include "wire/mysql/commands.hh"
#include "wire/mysql/framing.hh"
#include "wire/mysql/result_set.hh"
#include "wire/mysql/sql.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;
using session::ResultTable;
using wire::Command;

namespace {

// Servers count theirs from 1 up, and MariaDB masks the highest bit away.
constexpr std::uint32_t kOwnBit = 0x80000000U;
// MariaDB's "the statement prepared last".
constexpr std::uint32_t kLastStatement = 0xFFFFFFFFU;
// Ours, and never given out: what "last" means behind one that was not prepared.
constexpr std::uint32_t kNoStatement = kOwnBit;
// As many as a server has by default for all its sessions (max_prepared_stmt_count).
constexpr std::size_t kMostStatements = 16382;
constexpr std::size_t kMostParameters = 0xFFFF;

constexpr std::array kOfStatements{Command::StmtExecute, Command::StmtSendLongData,
                                   Command::StmtClose,   Command::StmtReset,
                                   Command::StmtFetch,   Command::StmtBulkExecute};

// What goes on between statements; the rest tells of the server's last answer alone.
constexpr std::uint16_t kLasting = wire::status::kInTransaction | wire::status::kAutocommit |
                                   wire::status::kNoBackslashEscapes |
                                   wire::status::kInTransactionReadonly;

Command command_of(Bytes command) noexcept { return static_cast<Command>(command.front()); }

wire::ResultRows rows_of(const ResultTable& table) { return {table.columns, table.rows}; }

wire::ResultContext context_of(std::uint64_t capabilities, OwnAnswers::Turn turn) {
  wire::ResultContext context;
  context.capabilities = capabilities;
  context.status = turn.status & kLasting;
  return context;
}

}  // namespace

void OwnAnswers::write(Bytes packets) {
  client_.write(packets);
  session_.traffic.from_server += packets.size();
  session_.metrics().server_bytes.add(packets.size());
}

void OwnAnswers::payload(Turn turn, Bytes payload) {
  Buffer packets;
  wire::append_packets(packets, payload, turn.sequence);
  write(packets);
}

void OwnAnswers::ok(Turn turn, std::uint64_t affected_rows) {
  outcome_ = {};
  outcome_.affected = affected_rows;
  wire::Ok answer;
  answer.affected_rows = affected_rows;
  answer.status = turn.status & kLasting;
  Buffer packet;
  wire::append_ok(packet, answer, capabilities_);
  payload(turn, packet);
}

void OwnAnswers::err(Turn turn, const wire::Err& err) {
  outcome_ = {};
  outcome_.error = err;
  Buffer packet;
  wire::append_err(packet, err, wire::capability::kProtocol41);
  payload(turn, packet);
}

void OwnAnswers::text_result(Turn turn, const ResultTable& table) {
  outcome_ = {};
  outcome_.rows = table.rows.size();
  Buffer packets;
  wire::append_text_result(packets, rows_of(table), context_of(capabilities_, turn),
                           turn.sequence);
  write(packets);
}

void OwnAnswers::answer(Bytes command, const session::StatementDecision& decision, Turn turn) {
  const bool prepares = command_of(command) == Command::StmtPrepare;
  if (prepares) last_ = kNoStatement;
  if (const auto* refusal = std::get_if<session::Refuse>(&decision)) {
    err(turn, refusal_err(*refusal, usual_refusal(command)));
  } else if (const auto* table = std::get_if<std::shared_ptr<const ResultTable>>(&decision)) {
    prepares ? prepare(command, {*table, 0}, turn) : text_result(turn, **table);
  } else if (const auto* success = std::get_if<session::Succeed>(&decision)) {
    prepares ? prepare(command, {nullptr, success->affected_rows}, turn)
             : ok(turn, success->affected_rows);
  }
}

// --- prepared statements

void OwnAnswers::prepare(Bytes command, Statement statement, Turn turn) {
  if (statements_.size() >= kMostStatements) {
    return err(turn, make_err(wire::ErrorCode::TooManyStatements, "42000",
                              "Can't create more prepared statements in this session"));
  }
  const bool escapes = (turn.status & wire::status::kNoBackslashEscapes) == 0;
  const std::size_t parameters = wire::count_parameters(as_text(command.subspan(1)), escapes);
  if (parameters > kMostParameters) {
    return err(turn, make_err(wire::ErrorCode::TooManyParameters, "HY000",
                              "Prepared statement contains too many placeholders"));
  }
  wire::Prepared prepared;
  prepared.id = kOwnBit | ++made_;
  prepared.parameters = static_cast<std::uint16_t>(parameters);
  std::vector<wire::ResultColumn> columns;
  if (statement.table) columns = wire::describe_columns(rows_of(*statement.table));
  prepared.columns = columns;
  Buffer packets;
  wire::append_prepared(packets, prepared, context_of(capabilities_, turn), turn.sequence);
  write(packets);
  last_ = prepared.id;
  outcome_ = {};
  outcome_.prepared = prepared.id;
  outcome_.parameters = prepared.parameters;
  statements_[prepared.id] = std::move(statement);
}

std::uint32_t OwnAnswers::id_of(Bytes command) const noexcept {
  const auto id = wire::decode_statement_id(command);
  if (!id) return 0;
  return *id == kLastStatement ? last_ : *id;
}

bool OwnAnswers::is_ours(Bytes command) const noexcept {
  return (id_of(command) & kOwnBit) != 0;
}

void OwnAnswers::answer_ours(Bytes command, Turn turn) {
  const std::uint32_t id = id_of(command);
  const auto found = statements_.find(id);
  const bool known = found != statements_.end();
  if (command_of(command) == Command::StmtClose) {
    statements_.erase(id);
  } else if (command_of(command) == Command::StmtSendLongData) {
    return;  // a parameter that nobody looks at
  } else if (!known) {
    err(turn, make_err(wire::ErrorCode::UnknownStatement, "HY000",
                       "Unknown prepared statement handler given to the proxy"));
  } else if (command_of(command) == Command::StmtExecute) {
    execute(found->second, turn);
  } else if (command_of(command) == Command::StmtReset) {
    ok(turn);
  } else {
    err(turn, make_err(wire::ErrorCode::NotSupportedYet, "42000",
                       "The statement is answered by the proxy, which has no cursors nor bulk"));
  }
}

void OwnAnswers::execute(const Statement& statement, Turn turn) {
  if (!statement.table) return ok(turn, statement.affected_rows);
  outcome_ = {};
  outcome_.rows = statement.table->rows.size();
  Buffer packets;
  wire::append_binary_result(packets, rows_of(*statement.table), context_of(capabilities_, turn),
                             turn.sequence);
  write(packets);
}

void OwnAnswers::forget_statements() noexcept {
  statements_.clear();
  last_ = 0;
}

bool names_statement(Command command) noexcept {
  return std::ranges::find(kOfStatements, command) != kOfStatements.end();
}

}  // namespace perilune::proto::mysql
