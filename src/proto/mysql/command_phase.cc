#include "proto/mysql/command_phase.hh"

#include <fmt/format.h>

#include <utility>

#include "proto/mysql/errors.hh"
#include "util/error.hh"
#include "wire/mysql/framing.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;
using session::PumpEnd;
using session::Verdict;

namespace {

constexpr std::size_t kInterceptedLimit = 128 * 1024;

// Logging in again is no matter of forwarding.
const wire::CommandSet intercepted = [] {
  wire::CommandSet set;
  set.set(static_cast<std::size_t>(wire::Command::ChangeUser));
  return set;
}();

}  // namespace

CommandPhase::CommandPhase(session::Session& session, net::Stream& client, Connection connection)
    : session_(session),
      client_(client),
      server_(std::move(connection.server)),
      exchange_(connection.capabilities),
      pump_(client_, *server_, *this, session.traffic) {
  exchange_.set_status(connection.status);
  session_.set_ending(this);
  if (session_.options().idle_timeout.count() > 0) idle_ = std::make_unique<event::Deadline>();
  arm_idle_timer();
}

CommandPhase::~CommandPhase() { session_.set_ending(nullptr); }

bool CommandPhase::may_run() {
  if (!session_.is_draining() || !is_quiet()) return true;
  say(farewell_err(session::StopReason::Shutdown));
  return false;
}

// --- the tap

Verdict CommandPhase::from_client(Bytes data) {
  if (holding_) return {0, Verdict::Then::Wait};
  const std::uint32_t before = exchange_.commands();
  const wire::Progress progress = exchange_.client(data, intercepted);
  count_statements(exchange_.commands() - before);
  session_.metrics().client_bytes.add(progress.consumed);
  client_stop_ = progress.stop;
  switch (progress.stop) {
    case wire::Stop::None: {
      const bool over = session_.is_draining() && is_quiet();
      return {progress.consumed, over ? Verdict::Then::Stop : Verdict::Then::Continue};
    }
    case wire::Stop::Full:
      return {progress.consumed, Verdict::Then::Wait};
    case wire::Stop::Intercept:
    case wire::Stop::Malformed:
      break;
  }
  return {progress.consumed, Verdict::Then::Stop};
}

Verdict CommandPhase::from_server(Bytes data) {
  const wire::Progress progress = exchange_.server(data);
  session_.metrics().server_bytes.add(progress.consumed);
  if (progress.stop == wire::Stop::Malformed) {
    server_malformed_ = true;
    return {progress.consumed, Verdict::Then::Stop};
  }
  const bool awaited = (holding_ && exchange_.outstanding() == 0 && exchange_.server_at_border()) ||
                       (session_.is_draining() && is_quiet());
  return {progress.consumed, awaited ? Verdict::Then::Stop : Verdict::Then::Continue};
}

void CommandPhase::count_statements(std::uint32_t more) noexcept {
  session_.traffic.statements += more;
  session_.metrics().statements.add(more);
}

// --- between two runs of the pump

event::Task<bool> CommandPhase::go_on(PumpEnd end) {
  switch (end) {
    case PumpEnd::ClientClosed:
      co_return false;
    case PumpEnd::ServerClosed:
      server_is_gone();
      co_return false;
    case PumpEnd::Interrupted:
      co_return true;
    case PumpEnd::Stopped:
      break;
  }
  if (server_malformed_ || client_stop_ == wire::Stop::Malformed) broken();
  if (client_stop_ == wire::Stop::Intercept) {
    holding_ = exchange_.outstanding() > 0 || !exchange_.server_at_border();
    if (!holding_) co_await answer_intercepted();
  }
  co_return true;
}

event::Task<> CommandPhase::answer_intercepted() {
  client_stop_ = wire::Stop::None;
  // Who sends commands without reading answers waits like everybody else.
  if (client_.queued() > net::Stream::kHighWater) co_await client_.flushed();
  Channel channel{client_, "Client"};
  const bool complete = co_await is_received(channel);
  if (!complete) throw PeerError("a command of the client is incomplete or too long");
  count_statements(1);
  Buffer answer;
  wire::append_err(answer,
                   make_err(wire::ErrorCode::UnknownCommand, "08S01",
                            "COM_CHANGE_USER is not in this version of Perilune"),
                   wire::capability::kProtocol41);
  channel.send(answer);
}

// Who may not have its command answered is at least told why.
event::Task<bool> CommandPhase::is_received(Channel& channel) {
  std::string problem;
  try {
    co_await channel.receive(kInterceptedLimit);
  } catch (const PeerError& error) {
    problem = error.what();
  }
  if (!problem.empty()) say_at(channel.sequence(), command_err(problem));
  co_return problem.empty();
}

// Who broke the protocol is not always whose packet showed it.
void CommandPhase::broken() {
  const bool client_broke = exchange_.client_broke();
  stats::Cells& metrics = session_.metrics();
  (client_broke ? metrics.client_malformed : metrics.server_malformed).add();
  const std::string_view whose = client_broke ? "client" : "server";
  const std::string reason =
      fmt::format("malformed packet from the {}: {}", whose, exchange_.reason());
  const wire::Err err = command_err(fmt::format("Malformed packet from {}", whose));
  const Bytes rest = client_.input();
  const bool is_next_command = client_broke && exchange_.outstanding() == 0 &&
                               exchange_.server_at_border() && rest.size() >= wire::kHeaderSize;
  if (is_next_command) {
    say_at(static_cast<std::uint8_t>(wire::decode_header(rest).sequence + 1), err);
  } else {
    say(err);
  }
  throw PeerError(reason);
}

// What the server said last has been forwarded; if it owes an answer, the client gets an error in
// its place.
void CommandPhase::server_is_gone() {
  if (exchange_.quit() || exchange_.server_said_goodbye()) return;
  say(command_err("Server closed the connection"));
  throw PeerError(fmt::format("the server closed the connection ({} answers outstanding)",
                              exchange_.outstanding()));
}

void CommandPhase::say(const wire::Err& err) {
  const auto sequence = exchange_.owed_sequence();
  if (!sequence || exchange_.replicating() || exchange_.opaque()) return;
  say_at(*sequence, err);
}

void CommandPhase::say_at(std::uint8_t sequence, const wire::Err& err) {
  Channel channel{client_, "Client"};
  channel.set_sequence(sequence);
  Buffer payload;
  wire::append_err(payload, err, wire::capability::kProtocol41);
  channel.send(payload);
}

// --- drain and idleness

bool CommandPhase::is_quiet() const noexcept {
  return exchange_.idle() && !exchange_.in_transaction();
}

void CommandPhase::say_farewell(session::StopReason reason) { say(farewell_err(reason)); }

void CommandPhase::drain() {
  if (is_quiet() && pump_.is_running()) pump_.interrupt();
}

void CommandPhase::arm_idle_timer() {
  if (!idle_) return;
  idle_->arm(session_.loop(), session_.options().idle_timeout, [this] { check_idle(); });
}

void CommandPhase::check_idle() {
  const std::uint64_t seen = session_.traffic.from_client + session_.traffic.from_server;
  if (seen == idle_seen_ && exchange_.idle()) {
    session_.stop(session::StopReason::IdleTimeout);
    return;
  }
  idle_seen_ = seen;
  arm_idle_timer();
}

}  // namespace perilune::proto::mysql
