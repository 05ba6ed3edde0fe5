#include <utility>

#include "auth/mysql_caching_sha2.hh"
#include "auth/mysql_password_exchange.hh"
#include "util/scope_exit.hh"

namespace perilune::auth {

namespace {

constexpr std::string_view kPlugin = "caching_sha2_password";

Sha256 double_sha256(const Secret& password) {
  Sha256 stage1 = sha256(password.bytes());
  const ScopeExit wiped([&stage1] { wipe(stage1); });
  return sha256(stage1);
}

// What the fast exchange is judged by; null if there is nothing.
std::optional<Sha256> fast_verifier(const MysqlVerifier& verifier) {
  if (const auto* hash = std::get_if<CachingSha2Hash>(&verifier)) return hash->stage2;
  const auto password = password_of(verifier);
  if (!password) return std::nullopt;
  return double_sha256(*password);
}

// A wrong fast answer leads to the full exchange, as at a server, which cannot know whether its
// cache is out of date: so rounds do not tell which users exist or what is known of them.
class CachingSha2Challenge final : public MysqlChallenge {
 public:
  explicit CachingSha2Challenge(const MysqlChallengeSetup& setup)
      : scramble_(setup.scramble),
        fast_verifier_(fast_verifier(setup.verifier)),
        exchange_(setup, {kPlugin, kRequestPublicKey, setup.transport != Transport::Plain}) {
    if (const auto* clear = std::get_if<ClearPassword>(&setup.verifier)) {
      clear_ = clear->password.clone();
    }
  }

  std::string_view plugin() const noexcept override { return kPlugin; }
  Buffer challenge() const override { return encode_mysql_challenge(scramble_); }

  Result<Step, AuthError> judge(Bytes answer) override {
    switch (state_) {
      case State::AwaitFast:
        return judge_fast(answer);
      case State::AwaitPassword:
        return exchange_.judge(answer);
      case State::Done:
        break;
    }
    return unexpected_answer(kPlugin);
  }

  Credentials take_learnt() override {
    Credentials learnt;
    learnt.password = exchange_.take_password();
    if (learnt.password) return learnt;
    learnt.password = std::move(clear_);
    learnt.caching_sha2_stage1 = std::move(stage1_);
    return learnt;
  }

  std::optional<Secret> take_offered() override { return exchange_.take_offered(); }

  bool came_in_clear() const noexcept override { return exchange_.came_in_clear(); }

 private:
  enum class State { AwaitFast, AwaitPassword, Done };

  Result<Step, AuthError> judge_fast(Bytes answer) {
    state_ = State::Done;
    const bool empty = answer.empty() || (answer.size() == 1 && answer.front() == std::byte{0});
    if (empty) return exchange_.judge_empty();
    if (answer.size() != Sha256().size()) return unexpected_answer(kPlugin);
    if (fast_verifier_) stage1_ = verify_caching_sha2(answer, scramble_, *fast_verifier_);
    if (stage1_) {
      Step step = accepted();
      step.more_data = Buffer{kFastAuthSuccess};
      return step;
    }
    state_ = State::AwaitPassword;
    return asks_more(Buffer{kPerformFullAuthentication});
  }

  MysqlScramble scramble_;
  std::optional<Sha256> fast_verifier_;
  MysqlPasswordExchange exchange_;
  std::optional<Secret> clear_;
  std::optional<Secret> stage1_;
  State state_ = State::AwaitFast;
};

}  // namespace

std::unique_ptr<MysqlChallenge> make_caching_sha2_challenge(const MysqlChallengeSetup& setup) {
  if (setup.transport == Transport::Plain && setup.rsa_key == nullptr) return nullptr;
  return std::make_unique<CachingSha2Challenge>(setup);
}

}  // namespace perilune::auth
