#include <algorithm>
#include <utility>

#include "auth/mysql_clear.hh"
#include "auth/mysql_password_exchange.hh"

namespace perilune::auth {

namespace {

constexpr std::string_view kPlugin = "mysql_clear_password";

// Some connectors leave the NUL out.
Buffer with_nul(Bytes answer) {
  Buffer text;
  text.reserve(answer.size() + 1);
  append(text, answer);
  if (answer.back() != std::byte{0}) text.push_back(std::byte{0});
  return text;
}

class ClearChallenge final : public MysqlChallenge {
 public:
  explicit ClearChallenge(const MysqlChallengeSetup& setup)
      : verifier_(clone(setup.verifier)), plain_(setup.transport == Transport::Plain) {}

  std::string_view plugin() const noexcept override { return kPlugin; }
  Buffer challenge() const override { return {}; }

  Result<Step, AuthError> judge(Bytes answer) override {
    if (std::exchange(done_, true)) return unexpected_answer(kPlugin);
    auto password = read(answer);
    if (!password) return unexpected_answer(kPlugin);
    came_in_clear_ = plain_ && !password->empty();
    if (is_password(*password, verifier_)) {
      password_ = std::move(password);
      return accepted();
    }
    if (compares_cheaply(verifier_)) spend_a_comparison(*password);
    offered_ = std::move(password);
    return refused();
  }

  Credentials take_learnt() override {
    Credentials learnt;
    learnt.password = std::move(password_);
    return learnt;
  }

  std::optional<Secret> take_offered() override { return std::move(offered_); }

  bool came_in_clear() const noexcept override { return came_in_clear_; }

 private:
  static std::optional<Secret> read(Bytes answer) {
    if (answer.empty()) return Secret();
    Buffer text = with_nul(answer);
    auto password = read_clear_answer(text);
    wipe(text);
    return password;
  }

  MysqlVerifier verifier_;
  bool plain_;
  std::optional<Secret> password_;
  std::optional<Secret> offered_;
  bool came_in_clear_ = false;
  bool done_ = false;
};

}  // namespace

std::unique_ptr<MysqlChallenge> make_clear_challenge(const MysqlChallengeSetup& setup) {
  return std::make_unique<ClearChallenge>(setup);
}

}  // namespace perilune::auth
