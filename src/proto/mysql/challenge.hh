#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "auth/mysql_challenge.hh"
#include "auth/mysql_verifier.hh"
#include "event/countdown.hh"
#include "event/task.hh"
#include "proto/mysql/front.hh"
#include "session/challenger.hh"
#include "session/session.hh"

namespace perilune::proto::mysql {

// Who the client is, found out by ourselves for the script. While it is asked, the login's clock
// runs. The answer that came with its login is judged where its method fits; else it is asked by
// one AuthSwitchRequest: clients accept no second.
class Challenge final : public session::Challenger {
 public:
  Challenge(session::Session& session, Front& client, event::Countdown& clock) noexcept
      : session_(session), client_(client), clock_(clock) {}
  Challenge(const Challenge&) = delete;
  Challenge& operator=(const Challenge&) = delete;

  event::Task<bool> verify(std::optional<auth::Secret> secret) override;
  event::Task<auth::Secret> read_password() override;

  bool was_made() const noexcept { return method_ != nullptr; }
  bool was_refused() const noexcept { return was_made() && !accepted_; }

  // What the answers gave away, to log in to a server with.
  const auth::Credentials& learnt() const noexcept { return learnt_; }
  // See auth/mariadb_tls_proof.hh; null: by this method there is none.
  std::optional<auth::Secret> password_hash() const;

 private:
  event::Task<bool> judge(auth::MysqlVerifier verifier);
  bool judge_again(const auth::MysqlVerifier& verifier);
  event::Task<bool> ask(const auth::MysqlVerifier& verifier);
  event::Task<> make_method(const auth::MysqlVerifier& verifier);
  bool take(const auth::MysqlChallenge::Step& step);
  std::unique_ptr<auth::MysqlChallenge> method_for(std::string_view plugin,
                                                   const auth::MysqlVerifier& verifier) const;
  bool may_come_in_clear() const noexcept;
  std::string_view choose(const auth::MysqlVerifier& verifier) const;
  bool knows(std::string_view plugin) const;

  session::Session& session_;
  Front& client_;
  event::Countdown& clock_;
  std::shared_ptr<const auth::RsaKey> rsa_key_;
  std::unique_ptr<auth::MysqlChallenge> method_;
  auth::Credentials learnt_;
  std::optional<auth::Secret> offered_;  // a refused password, for another verifier to judge
  bool accepted_ = false;
};

}  // namespace perilune::proto::mysql
