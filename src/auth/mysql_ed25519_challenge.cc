#include <utility>

#include "auth/ed25519.hh"
#include "auth/mysql_challenge_methods.hh"

namespace perilune::auth {

namespace {

constexpr std::string_view kPlugin = "client_ed25519";

class Ed25519Challenge final : public MysqlChallenge {
 public:
  Ed25519Challenge(const Ed25519Key& key, std::optional<Secret> password)
      : key_(key), password_(std::move(password)) {
    fill_scramble(scramble_);
  }

  std::string_view plugin() const noexcept override { return kPlugin; }
  Buffer challenge() const override { return Buffer(scramble_.begin(), scramble_.end()); }

  // Some connectors sign with the empty password, some answer with nothing.
  Result<Step, AuthError> judge(Bytes answer) override {
    const bool proper = answer.empty() || answer.size() == Ed25519Signature().size();
    if (std::exchange(done_, true) || !proper) return unexpected_answer(kPlugin);
    accepted_ = answer.empty() ? has_no_password() : ed25519_verify(key_, scramble_, answer);
    return accepted_ ? accepted() : refused();
  }

  Credentials take_learnt() override {
    Credentials learnt;
    learnt.password = std::move(password_);
    return learnt;
  }

  std::optional<Secret> mariadb_password_hash() const override {
    if (!accepted_ || has_no_password()) return std::nullopt;
    return Secret(Bytes(key_));
  }

 private:
  bool has_no_password() const noexcept { return password_ && password_->empty(); }

  Ed25519Key key_;
  std::optional<Secret> password_;
  MariadbScramble scramble_;
  bool accepted_ = false;
  bool done_ = false;
};

}  // namespace

std::unique_ptr<MysqlChallenge> make_ed25519_challenge(const MysqlChallengeSetup& setup) {
  if (const auto* hash = std::get_if<Ed25519Hash>(&setup.verifier)) {
    return std::make_unique<Ed25519Challenge>(hash->key, std::nullopt);
  }
  auto password = password_of(setup.verifier);
  if (!password) return nullptr;
  const Ed25519Key key = ed25519_public_key(password->bytes());
  return std::make_unique<Ed25519Challenge>(key, std::move(password));
}

}  // namespace perilune::auth
