#pragma once

#include "session/decision.hh"
#include "session/session.hh"
#include "stats/metrics.hh"
#include "util/clock.hh"

namespace perilune::session {

// Counts what one login came to: once, what came first. One that nobody has concluded has come to
// what its session is stopped for.
class LoginTally {
 public:
  using Outcome = stats::Cell stats::Cells::*;

  explicit LoginTally(Session& session) noexcept : session_(session) {}
  LoginTally(const LoginTally&) = delete;
  LoginTally& operator=(const LoginTally&) = delete;
  ~LoginTally();

  void conclude(Outcome outcome) noexcept;
  // This is no login whose outcome is counted…
  void forgo() noexcept { concluded_ = true; }
  // …because the connection is refused before.
  void reject() noexcept;

  // Of a script's decision.
  static Outcome outcome_of(const Refuse& refusal, bool wrong_password) noexcept;
  // Of what broke between the client and us; counts a handshake of TLS that did.
  Outcome outcome_of_break() noexcept;

 private:
  Session& session_;
  const Clock::time_point began_ = Clock::now();
  bool concluded_ = false;
};

}  // namespace perilune::session
