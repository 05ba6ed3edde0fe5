#include "proto/mysql/command_phase.hh"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "proto/mysql/change_user.hh"
#include "proto/mysql/errors.hh"
#include "proto/mysql/question.hh"
#include "util/error.hh"
#include "wire/mysql/framing.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;
using session::PumpEnd;

namespace {

// Of the answer to a command of these packets; of one that is not complete, the next number.
std::uint8_t sequence_behind(const wire::Extent& extent) noexcept {
  return static_cast<std::uint8_t>(std::max(extent.packets, 1U));
}

}  // namespace

CommandPhase::CommandPhase(session::Session& session, net::Stream& client, Connection connection)
    : session_(session),
      client_(client),
      connection_(std::move(connection)),
      exchange_(connection_.capabilities),
      pump_(client_, *connection_.server, *this, session.traffic),
      looked_at_(&commands_to_look_at(session.hooks())),
      node_(session.node_metrics()),
      times_(session.listener().times_statements ? &session.metrics().statement_seconds : nullptr) {
  exchange_.set_status(connection_.status);
  session_.set_ending(this);
  session_.enter(session::Phase::Commands);
  idle_ = session::watch_idleness_between_statements(
      session_, [this] { return !exchange_.idle() || held_ || gathered_; });
  mind_log();
}

CommandPhase::~CommandPhase() { session_.set_ending(nullptr); }

bool CommandPhase::may_run() {
  if (!session_.is_draining() || !is_quiet()) return true;
  say(farewell_err(session::StopReason::Shutdown));
  return false;
}

// --- between two runs of the pump

event::Task<bool> CommandPhase::go_on(PumpEnd end) {
  if (is_over(end)) co_return false;
  if (log_.is_blocked()) {
    co_await log_->outlet().settle();
  }
  if (held_ && held_->what == Held::What::Undecided) {
    const bool more = co_await hear_script();
    if (!more) co_return false;
  }
  if (held_) mind_length();
  awaiting_ = held_ && must_wait() && !is_answered();
  if (held_ && !awaiting_) co_await settle();
  co_return next_ == nullptr;
}

bool CommandPhase::is_over(PumpEnd end) {
  switch (end) {
    case PumpEnd::ClientClosed:
      return true;
    case PumpEnd::ServerClosed:
      server_is_gone();
      return true;
    case PumpEnd::Interrupted:
      return false;
    case PumpEnd::Stopped:
      break;
  }
  if (server_malformed_ || client_stop_ == wire::Stop::Malformed) broken();
  return false;
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
  // MySQL's servers close the connection of who was refused another user.
  if (refused_ && exchange_.idle()) return;
  say(command_err("Server closed the connection"));
  throw PeerError(fmt::format("the server closed the connection ({} answers outstanding)",
                              exchange_.outstanding()));
}

void CommandPhase::say(const wire::Err& err) {
  const auto sequence = exchange_.owed_sequence();
  if (!sequence || exchange_.replicating() || exchange_.opaque()) return;
  // A held command is the next one to be answered.
  const bool to_held = held_ && exchange_.outstanding() == 0;
  say_at(to_held ? sequence_behind(held_->extent) : *sequence, err);
}

void CommandPhase::say_at(std::uint8_t sequence, const wire::Err& err) {
  Channel channel{client_, "Client"};
  channel.set_sequence(sequence);
  Buffer payload;
  wire::append_err(payload, err, wire::capability::kProtocol41);
  channel.send(payload);
}

// --- drain

bool CommandPhase::is_quiet() const noexcept {
  const bool has_command = held_ || changing_to_ || pass_ > 0;
  return exchange_.idle() && !exchange_.in_transaction() && !has_command;
}

void CommandPhase::say_farewell(session::StopReason reason) {
  if (reason != session::StopReason::Dropped) say(farewell_err(reason));
}

void CommandPhase::drain() {
  if (is_quiet() && pump_.is_running()) pump_.interrupt();
}

const char* CommandPhase::waits_for() const noexcept {
  return exchange_.outstanding() > 0 ? "server" : "client";
}

}  // namespace perilune::proto::mysql
