#include "session/login_tally.hh"

#include <utility>

#include "net/tls.hh"

namespace perilune::session {

namespace {

LoginTally::Outcome outcome_of(StopReason reason) noexcept {
  switch (reason) {
    case StopReason::ClientGone:
      return &stats::Cells::logins_client_gone;
    case StopReason::HandshakeTimeout:
      return &stats::Cells::logins_timed_out;
    default:
      return &stats::Cells::logins_stopped;
  }
}

}  // namespace

LoginTally::~LoginTally() { conclude(session::outcome_of(session_.stop_reason())); }

void LoginTally::conclude(Outcome outcome) noexcept {
  if (std::exchange(concluded_, true)) return;
  stats::Cells& metrics = session_.metrics();
  (metrics.*outcome).add();
  if (outcome != &stats::Cells::logins_accepted) return;
  metrics.login_seconds.observe(Clock::now() - began_);
}

void LoginTally::reject() noexcept {
  session_.metrics().connections_rejected.add();
  forgo();
}

LoginTally::Outcome LoginTally::outcome_of(const Refuse& refusal, bool wrong_password) noexcept {
  if (refusal.is_failure) return &stats::Cells::logins_script_failed;
  return wrong_password ? &stats::Cells::logins_wrong_password : &stats::Cells::logins_refused;
}

LoginTally::Outcome LoginTally::outcome_of_break() noexcept {
  const net::Tls* const tls = session_.client_tls();
  const bool by_tls = tls != nullptr && tls->state() == net::Tls::State::Failed;
  if (!by_tls) return &stats::Cells::logins_failed;
  session_.metrics().tls_handshakes_failed.add();
  return &stats::Cells::logins_tls_failed;
}

}  // namespace perilune::session
