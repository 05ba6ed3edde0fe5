#include "proto/mysql/served_phase.hh"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <variant>

#include "proto/mysql/change_user.hh"
#include "proto/mysql/channel.hh"
#include "proto/mysql/errors.hh"
#include "proto/mysql/question.hh"
#include "proto/mysql/setup_answers.hh"
#include "util/error.hh"
#include "wire/mysql/framing.hh"
#include "wire/mysql/reply.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;
using session::StatementDecision;
using wire::Command;

namespace {

Command command_of(const Buffer& command) noexcept { return static_cast<Command>(command.front()); }

std::string_view text_of(const Buffer& command) noexcept {
  return as_text(Bytes{command}.subspan(1));
}

}  // namespace

ServedPhase::ServedPhase(session::Session& session, net::Stream& client, Connection connection)
    : session_(session),
      client_(client),
      connection_(std::move(connection)),
      answers_(client, connection_.capabilities, session) {
  session_.set_ending(this);
  session_.enter(session::Phase::Commands);
  if (session_.options().idle_timeout.count() > 0) idle_ = std::make_unique<event::Deadline>();
}

ServedPhase::~ServedPhase() { session_.set_ending(nullptr); }

event::Task<> ServedPhase::run() {
  while (!over_ && !next_) {
    sequence_ = 0;
    if (session_.is_draining()) {
      say_farewell(session::StopReason::Shutdown);
      co_return;
    }
    const Arrival arrival = co_await receive();
    co_await handle(arrival);
    // Who sends commands without reading answers waits.
    if (client_.queued() > net::Stream::kHighWater) co_await client_.flushed();
    if (log_) {
      co_await log_->outlet().settle();
    }
  }
}

// Until a command is here as a whole.
event::Task<ServedPhase::Arrival> ServedPhase::receive() {
  session::MemoryBudget::Share gathered{session_.listener().gathered};
  waits_for_command_ = true;
  arm_idle_timer();
  for (;;) {
    const wire::Extent extent = wire::extent_of(client_.input());
    if (extent.packets > 0) waits_for_command_ = false;
    if (extent.payload > session_.options().max_query + 1) co_return Arrival::TooLong;
    if (extent.complete) co_return Arrival::Command;
    if (extent.packets > 0 && !gathered.grow_to(extent.payload)) co_return Arrival::NoMemory;
    const bool grown = co_await client_.fill();
    if (!grown) co_return Arrival::End;
  }
}

event::Task<> ServedPhase::handle(Arrival arrival) {
  if (idle_) idle_->disarm();
  if (arrival == Arrival::End) {
    over_ = true;
  } else if (arrival == Arrival::Command) {
    co_await handle_command();
  } else {
    log_.mind(session_, 0);
    const CommandStart start = start_for_log();
    Channel channel{client_, "Client"};
    const std::uint64_t skipped = co_await channel.skip();
    session_.traffic.from_client += skipped;
    session_.metrics().client_bytes.add(skipped);
    sequence_ = channel.sequence();
    refuse_unseen(arrival);
    if (log_) log_->answered_here(start, answers_.outcome());
  }
}

void ServedPhase::refuse_unseen(Arrival arrival) {
  stats::Cells& metrics = session_.metrics();
  const bool too_long = arrival == Arrival::TooLong;
  (too_long ? metrics.statements_too_long : metrics.statements_without_memory).add();
  answers_.err(turn(), too_long ? too_long_err(session_.options().max_query) : no_memory_err());
}

event::Task<> ServedPhase::handle_command() {
  const wire::PacketHeader header = wire::decode_header(client_.input());
  if (header.length > 0 &&
      client_.input()[wire::kHeaderSize] == static_cast<std::byte>(Command::ChangeUser)) {
    co_await change_user();
    co_return;
  }
  log_.mind(session_, 0);
  CommandStart start = start_for_log();
  Channel channel{client_, "Client"};
  Buffer command = co_await channel.receive(session_.options().max_query + 1);
  sequence_ = channel.sequence();
  if (command.empty()) throw PeerError("empty command");
  session_.traffic.statements += 1;
  const std::size_t bytes = command.size() + wire::kHeaderSize;
  session_.traffic.from_client += bytes;
  session_.metrics().client_bytes.add(bytes);
  session_.metrics().statements.add();
  const StatementDecision decision = co_await ask(command);
  auto request = kill_of(command);
  if (request && std::holds_alternative<session::Proceed>(decision)) {
    co_await kill(*std::move(request));
  } else {
    answer(command, decision);
  }
  log_.mind(session_, 0);  // what the callback has decided counts for this statement
  if (!log_) co_return;
  if (start.bytes.empty()) start = {command, command.size()};
  log_->answered_here(start, answers_.outcome());
}

CommandStart ServedPhase::start_for_log() const {
  return log_ ? log_->start_of(client_.input()) : CommandStart{};
}

event::Task<> ServedPhase::change_user() {
  next_ = co_await mysql::change_user(session_, client_, connection_);
  session_.set_ending(this);
}

event::Task<StatementDecision> ServedPhase::ask(const Buffer& command) {
  const auto& asked = commands_to_look_at(session_.hooks());
  if (!asked[static_cast<std::uint8_t>(command.front())]) co_return session::Proceed{};
  auto decision = ask_script(session_.hooks(), command);
  if (decision) co_return *std::move(decision);
  co_return co_await session_.hooks().rest_of_statement();
}

// There is no server to ask about sessions that are not the client's.
event::Task<> ServedPhase::kill(KillRequest request) {
  const std::uint64_t id = request.id;
  const KillDecision decision = co_await decide_kill(session_, std::move(request));
  const auto* const answer = std::get_if<KillAnswer>(&decision);
  if (answer == nullptr) {
    answers_.err(turn(), make_err(wire::ErrorCode::NoSuchThread, "HY000",
                                  fmt::format("Unknown thread id: {}", id)));
  } else {
    answer->err ? answers_.err(turn(), *answer->err) : answers_.ok(turn());
  }
}

void ServedPhase::answer(const Buffer& command, const StatementDecision& decision) {
  if (std::holds_alternative<session::Proceed>(decision)) return answer_by_ourselves(command);
  const bool refused = std::holds_alternative<session::Refuse>(decision);
  stats::Cells& metrics = session_.metrics();
  (refused ? metrics.statements_refused : metrics.statements_answered).add();
  if (std::holds_alternative<session::UseDatabase>(decision)) return answer_by_ourselves(command);
  if (std::holds_alternative<session::SendInstead>(decision)) {
    const std::string name = session_.name();
    session_.services().logger.with(name).error("client:query needs a server");
    return answers_.err(turn(), usual_refusal(command));
  }
  answers_.answer(command, decision, turn());
}

void ServedPhase::answer_by_ourselves(const Buffer& command) {
  if (auto database = database_of(command)) {
    session_.database = *std::move(database);
    return answers_.ok(turn());
  }
  switch (command_of(command)) {
    case Command::Quit:
      over_ = true;
      return;
    case Command::Query:
    case Command::StmtPrepare:
      return answer_statement(command);
    case Command::ResetConnection:
      answers_.forget_statements();
      return answers_.ok(turn());
    case Command::Ping:
    case Command::Debug:
    case Command::SetOption:
      return answers_.ok(turn());
    case Command::Statistics:
      return answers_.payload(turn(), as_bytes("Perilune answers by itself"));
    default:
      break;
  }
  if (names_statement(command_of(command))) return answers_.answer_ours(command, turn());
  answers_.err(turn(), make_err(wire::ErrorCode::UnknownCommand, "08S01",
                                "There is no server behind this session for the command"));
}

void ServedPhase::answer_statement(const Buffer& command) {
  if (const auto decision = answer_setup(session_, text_of(command))) {
    return answers_.answer(command, *decision, turn());
  }
  answers_.err(turn(), make_err(wire::ErrorCode::NotAllowedCommand, "42000",
                                "The script answers no such statement"));
}

OwnAnswers::Turn ServedPhase::turn() const noexcept {
  return {sequence_, wire::status::kAutocommit};
}

// --- ending

void ServedPhase::say_farewell(session::StopReason reason) {
  if (reason == session::StopReason::Dropped) return;
  answers_.err(turn(), farewell_err(reason));
}

void ServedPhase::drain() {
  if (waits_for_command_) session_.stop(session::StopReason::Shutdown);
}

void ServedPhase::arm_idle_timer() {
  if (!idle_) return;
  idle_->arm(session_.loop(), session_.options().idle_timeout,
             [this] { session_.stop(session::StopReason::IdleTimeout); });
}

}  // namespace perilune::proto::mysql
