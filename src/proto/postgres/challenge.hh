#pragma once

#include <memory>
#include <optional>
#include <span>

#include "auth/postgres_challenge.hh"
#include "auth/postgres_methods.hh"
#include "event/countdown.hh"
#include "event/task.hh"
#include "proto/postgres/front.hh"
#include "session/challenger.hh"
#include "session/session.hh"

namespace perilune::proto::postgres {

// Who the client is, found out by ourselves for the script. While it is asked, the login's clock
// runs.
class Challenge final : public session::Challenger {
 public:
  Challenge(session::Session& session, Front& client, event::Countdown& clock) noexcept
      : session_(session), client_(client), clock_(clock) {}
  Challenge(const Challenge&) = delete;
  Challenge& operator=(const Challenge&) = delete;

  event::Task<bool> verify(std::optional<auth::Secret> secret) override;
  event::Task<auth::Secret> read_password() override;

  bool was_made() const noexcept { return made_; }
  bool was_refused() const noexcept { return made_ && !accepted_; }

  // What the answers gave away, to log in to a server with.
  const auth::PostgresCredentials& learnt() const noexcept { return learnt_; }

 private:
  event::Task<bool> judge(auth::PostgresVerifier verifier);
  bool judge_again(const auth::PostgresVerifier& verifier);
  event::Task<bool> ask(const auth::PostgresVerifier& verifier);
  event::Task<auth::PostgresMethod> choose(std::span<const auth::PostgresMethod> methods);
  event::Task<Buffer> first_answer(auth::PostgresMethod method);
  auth::PostgresChallenge::Step judge_answer(Bytes answer);
  void make_method(auth::PostgresMethod method, const auth::PostgresVerifier& verifier);
  bool is_right(const auth::Secret& password, const auth::PostgresVerifier& verifier);

  session::Session& session_;
  Front& client_;
  event::Countdown& clock_;
  Buffer end_point_;
  Buffer sasl_data_;  // that came with the choice of a mechanism
  bool has_sasl_data_ = false;
  std::unique_ptr<auth::PostgresChallenge> method_;
  auth::PostgresCredentials learnt_;
  bool made_ = false;
  bool accepted_ = false;
};

}  // namespace perilune::proto::postgres
