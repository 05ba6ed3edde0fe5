#include "proto/postgres/command_phase.hh"

#include <fmt/format.h>

#include <utility>

#include "proto/postgres/question.hh"
#include "util/error.hh"

namespace perilune::proto::postgres {

namespace wire = perilune::wire::postgres;
namespace sqlstate = wire::sqlstate;
using session::PumpEnd;

CommandPhase::CommandPhase(session::Session& session, net::Stream& client, Connection connection)
    : session_(session),
      client_(client),
      connection_(std::move(connection)),
      pump_(client_, *connection_.server, *this, session.traffic),
      looked_at_(&messages_to_look_at(session.hooks())),
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
  say(farewell(session::StopReason::Shutdown));
  return false;
}

// --- between two runs of the pump

event::Task<bool> CommandPhase::go_on(PumpEnd end) {
  if (is_over(end)) co_return false;
  if (log_.is_blocked()) {
    co_await log_->outlet().settle();
  }
  if (waits_for_answers() && exchange_.needs_flush()) send_flush();
  take_dropped();
  if (held_ && held_->what == Held::What::Undecided) {
    const bool more = co_await hear_script();
    if (!more) co_return false;
  }
  if (held_) mind_text();
  awaiting_ = held_ && must_wait() && !is_answered();
  if (awaiting_) prepare_to_wait();
  if (held_ && !awaiting_) co_await settle();
  co_return true;
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

// Who broke the protocol is not always whose message showed it.
void CommandPhase::broken() {
  const bool client_broke = exchange_.client_broke();
  stats::Cells& metrics = session_.metrics();
  (client_broke ? metrics.client_malformed : metrics.server_malformed).add();
  const std::string_view whose = client_broke ? "client" : "server";
  say(fatal(sqlstate::kProtocolViolation, fmt::format("malformed message from the {}", whose)));
  throw PeerError(fmt::format("malformed message from the {}: {}", whose, exchange_.reason()));
}

// What the server said last has been forwarded; if it did not say why it went, the client is told.
void CommandPhase::server_is_gone() {
  if (exchange_.quit() || exchange_.last_word_is_error()) return;
  say(fatal(sqlstate::kConnectionFailure, "the server closed the connection unexpectedly"));
  throw PeerError(fmt::format("the server closed the connection ({} answers outstanding)",
                              exchange_.outstanding()));
}

// Clients take an error between any two messages.
void CommandPhase::say(const Fault& fault) {
  if (!exchange_.server_at_border()) return;
  Buffer message;
  append_fault(message, fault);
  client_.write(message);
}

void CommandPhase::count_statements(std::uint32_t more) noexcept {
  session_.traffic.statements += more;
  session_.metrics().statements.add(more);
}

// The same of what the server has.
void CommandPhase::count_forwarded(std::uint32_t more) noexcept {
  count_statements(more);
  if (node_ != nullptr) node_->statements.add(more);
}

// --- drain

bool CommandPhase::is_quiet() const noexcept {
  return exchange_.idle() && !exchange_.in_transaction() && !held_ && !drops_ && !passes_;
}

void CommandPhase::say_farewell(session::StopReason reason) {
  if (reason != session::StopReason::Dropped) say(farewell(reason));
}

void CommandPhase::drain() {
  if (is_quiet() && pump_.is_running()) pump_.interrupt();
}

const char* CommandPhase::waits_for() const noexcept {
  if (exchange_.outstanding() == 0) return "client";
  const bool takes_data = exchange_.copying_in() && !exchange_.replicating();
  return takes_data && exchange_.outstanding() == 1 ? "copy data" : "server";
}

}  // namespace perilune::proto::postgres
