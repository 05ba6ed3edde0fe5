#include "unit/proto/mysql/phase_plan.hh"

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>
#include <utility>
#include <variant>

#include "support/hex.hh"
#include "wire/mysql/framing.hh"
#include "wire/mysql/reply.hh"
#include "wire/mysql/result_set.hh"
#include "wire/mysql/sql.hh"

namespace perilune::test {

using namespace wire::mysql;
using session::ResultTable;
using session::StatementDecision;

namespace {

constexpr std::uint16_t kLasting = status::kInTransaction | status::kAutocommit |
                                   status::kNoBackslashEscapes | status::kInTransactionReadonly;

constexpr std::array kOfStatements{Command::StmtExecute, Command::StmtSendLongData,
                                   Command::StmtClose,   Command::StmtReset,
                                   Command::StmtFetch,   Command::StmtBulkExecute};
constexpr std::array kHarmless{Command::Quit, Command::Statistics, Command::Ping, Command::Time};

template <std::size_t N>
bool is_one_of(const std::array<Command, N>& some, Command command) {
  return std::ranges::find(some, command) != some.end();
}

std::shared_ptr<const ResultTable> table() {
  static const auto made = [] {
    auto rows = std::make_shared<ResultTable>();
    rows->columns = {"name", "size"};
    rows->rows = {{std::string{"moon"}, std::int64_t{3474}}, {std::monostate{}, std::int64_t{0}}};
    return rows;
  }();
  return made;
}

ResultRows rows_of(const ResultTable& rows) { return {rows.columns, rows.rows}; }

std::uint16_t login_status(const RecordedSession& session) {
  if (session.login.empty()) return status::kAutocommit;
  const auto ok = decode_ok(first_payload(session.login.back().bytes), session.capabilities);
  return ok ? ok->status : status::kAutocommit;
}

}  // namespace

Command command_of(const RecordedCommand& command) {
  return static_cast<Command>(command.parts.at(0).bytes.at(kHeaderSize));
}

bool is_asked(Command command) {
  return !is_one_of(kOfStatements, command) && !is_one_of(kHarmless, command);
}

bool may_say(Command command, Say say) {
  if (say == Say::Forward) return true;
  if (!is_asked(command)) return false;
  if (command == Command::InitDb) return say == Say::Refuse || say == Say::Database;
  if (command == Command::Query) return true;
  if (command == Command::StmtPrepare) return say != Say::Database;
  return say == Say::Refuse;
}

PlanMaker::PlanMaker(const RecordedSession& session, bool pipeline)
    : session_(session), pipeline_(pipeline), tracker_(session.capabilities) {
  plan_.capabilities = session.capabilities;
  plan_.status = login_status(session);
  tracker_.set_status(plan_.status);
}

Plan PlanMaker::make(const Choose& choose) {
  std::size_t position = 0;
  for (const RecordedCommand& command : session_.commands) {
    const Bytes bytes = command.parts.at(0).bytes;
    const FrontPayload payload{bytes};
    payload_.assign(payload.bytes().begin(), payload.bytes().end());
    packets_ = extent_of(bytes).packets;
    code_ = command_of(command);
    if (!command.pipelined && !pipeline_) barrier_ = plan_.to_client.size();
    add(command, choose(position++, code_));
  }
  return std::move(plan_);
}

void PlanMaker::add(const RecordedCommand& command, const Choice& choice) {
  client_sends(command.parts.at(0).bytes, barrier_);
  if (is_of_last_statement()) return answer_last_statement();
  if (!is_asked(code_)) return forward(command);
  ask(choice);
  const StatementDecision& decision = plan_.asked.back().decision;
  const auto* const text = std::get_if<session::SendInstead>(&decision);
  if (choice.say == Say::Database) {
    change_database();
  } else if (text != nullptr) {
    if (!replace(command, text->text)) {
      proxy_sends_err(1148, "42000", "The statement has become too long");
    }
  } else if (choice.say == Say::Forward) {
    if (code_ == Command::StmtPrepare) last_ = Last::Servers;
    if (code_ == Command::ResetConnection) last_ = Last::Servers;
    forward(command);
  } else {
    answer(decision);
  }
}

void PlanMaker::ask(const Choice& choice) {
  Plan::Asked asked;
  asked.text = text();
  asked.decision = decision_for(choice.say);
  asked.waits = choice.waits;
  plan_.asked.push_back(std::move(asked));
}

StatementDecision PlanMaker::decision_for(Say say) const {
  const std::size_t size = payload_.size() - 1;
  switch (say) {
    case Say::Forward:
      return session::Proceed{};
    case Say::Refuse:
      return session::Refuse{"not today", std::uint16_t{1644}, "45000"};
    case Say::Succeed:
      return session::Succeed{7};
    case Say::Table:
      return table();
    case Say::Shorter:
      return session::SendInstead{std::string(std::max<std::size_t>(size / 2, 1), 's')};
    case Say::Equal:
      return session::SendInstead{std::string(size, 'e')};
    case Say::Longer:
      return session::SendInstead{std::string(size + 300, 'l')};
    case Say::Database:
      return session::UseDatabase{"other"};
  }
  throw std::logic_error("nothing to say");
}

std::string PlanMaker::text() const { return std::string{as_text(payload_).substr(1)}; }

// --- what goes between client and server

void PlanMaker::client_sends(Bytes bytes, std::size_t after) {
  plan_.from_client.push_back({after, {bytes.begin(), bytes.end()}});
}

void PlanMaker::server_gets(Bytes bytes) {
  const Progress progress = tracker_.client(bytes, {});
  if (progress.consumed != bytes.size()) throw std::runtime_error("plan: bytes for the server");
  append(plan_.to_server, bytes);
}

void PlanMaker::server_sends(Bytes bytes) {
  const Progress progress = tracker_.server(bytes);
  if (progress.consumed != bytes.size()) throw std::runtime_error("plan: bytes of the server");
  plan_.from_server.push_back({plan_.to_server.size(), {bytes.begin(), bytes.end()}});
  append(plan_.to_client, bytes);
}

void PlanMaker::forward(const RecordedCommand& command) {
  server_gets(command.parts.at(0).bytes);
  rest_of_dialogue(command);
}

void PlanMaker::rest_of_dialogue(const RecordedCommand& command) {
  bool is_dialogue = false;
  for (std::size_t i = 1; i < command.parts.size(); ++i) {
    const Part& part = command.parts[i];
    if (part.from_client) {
      is_dialogue = true;
      client_sends(part.bytes, plan_.to_client.size());
      server_gets(part.bytes);
    } else {
      server_sends(part.bytes);
    }
  }
  if (is_dialogue) barrier_ = plan_.to_client.size();
}

void PlanMaker::change_database() {
  server_gets(packet(from_hex("02 6f 74 68 65 72")));
  server_sends(from_hex("07 00 00 01 00 00 00 02 00 00 00"));
}

// False: the text does not fit in as many packets.
bool PlanMaker::replace(const RecordedCommand& command, const std::string& text) {
  Buffer payload{payload_.front()};
  append(payload, as_bytes(text));
  if (packets_for(payload.size()) > packets_) return false;
  const std::size_t least = std::size_t{packets_ - 1} * kMaxPacket;
  if (payload.size() < least) payload.resize(least, std::byte{' '});
  if (code_ == Command::StmtPrepare) last_ = Last::Servers;
  server_gets([&payload] {
    Buffer out;
    std::uint8_t sequence = 0;
    append_packets(out, payload, sequence);
    return out;
  }());
  rest_of_dialogue(command);
  return true;
}

// --- what the proxy says

void PlanMaker::answer(const StatementDecision& decision) {
  if (code_ == Command::StmtPrepare) return answer_prepare(decision);
  auto sequence = static_cast<std::uint8_t>(packets_);
  if (const auto* refusal = std::get_if<session::Refuse>(&decision)) {
    proxy_sends_err(*refusal->code, refusal->sqlstate.c_str(), refusal->message);
  } else if (const auto* success = std::get_if<session::Succeed>(&decision)) {
    proxy_sends_ok(success->affected_rows);
  } else {
    append_text_result(plan_.to_client, rows_of(*table()),
                       {plan_.capabilities, lasting_status(), 0}, sequence);
  }
}

void PlanMaker::answer_prepare(const StatementDecision& decision) {
  last_ = Last::Nobodys;
  if (const auto* refusal = std::get_if<session::Refuse>(&decision)) {
    return proxy_sends_err(*refusal->code, refusal->sqlstate.c_str(), refusal->message);
  }
  last_ = Last::Ours;
  last_decision_ = decision;
  Prepared prepared;
  prepared.id = 0x80000000U + ++prepared_;
  prepared.parameters = static_cast<std::uint16_t>(count_parameters(text()));
  std::vector<ResultColumn> columns;
  if (!std::holds_alternative<session::Succeed>(decision)) {
    columns = describe_columns(rows_of(*table()));
  }
  prepared.columns = columns;
  auto sequence = static_cast<std::uint8_t>(packets_);
  append_prepared(plan_.to_client, prepared, {plan_.capabilities, lasting_status(), 0}, sequence);
}

bool PlanMaker::is_of_last_statement() const {
  return last_ != Last::Servers && is_one_of(kOfStatements, code_) &&
         as_text(payload_).substr(1, 4) == "\xff\xff\xff\xff";
}

void PlanMaker::answer_last_statement() {
  if (code_ == Command::StmtClose) last_ = Last::Nobodys;
  if (code_ == Command::StmtClose || code_ == Command::StmtSendLongData) return;
  if (last_ == Last::Nobodys) {
    proxy_sends_err(1243, "HY000", "Unknown prepared statement handler given to the proxy");
  } else if (code_ == Command::StmtFetch || code_ == Command::StmtBulkExecute) {
    proxy_sends_err(1235, "42000",
                    "The statement is answered by the proxy, which has no cursors nor bulk");
  } else if (code_ == Command::StmtReset) {
    proxy_sends_ok(0);
  } else if (const auto* success = std::get_if<session::Succeed>(&last_decision_)) {
    proxy_sends_ok(success->affected_rows);
  } else {
    std::uint8_t sequence = 1;
    append_binary_result(plan_.to_client, rows_of(*table()),
                         {plan_.capabilities, lasting_status(), 0}, sequence);
  }
}

void PlanMaker::proxy_sends_err(std::uint16_t code, const char* state, const std::string& message) {
  Buffer payload;
  append_err(payload, {code, state, message}, capability::kProtocol41);
  append(plan_.to_client, packet(payload, static_cast<std::uint8_t>(packets_)));
}

void PlanMaker::proxy_sends_ok(std::uint64_t affected_rows) {
  Ok ok;
  ok.affected_rows = affected_rows;
  ok.status = lasting_status();
  Buffer payload;
  append_ok(payload, ok, plan_.capabilities);
  append(plan_.to_client, packet(payload, static_cast<std::uint8_t>(packets_)));
}

std::uint16_t PlanMaker::lasting_status() const {
  return static_cast<std::uint16_t>(tracker_.status() & kLasting);
}

}  // namespace perilune::test
