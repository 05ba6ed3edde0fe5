#include <utility>

#include "auth/mysql_challenge_methods.hh"
#include "auth/mysql_native.hh"
#include "util/scope_exit.hh"

namespace perilune::auth {

namespace {

constexpr std::string_view kPlugin = "mysql_native_password";

Sha1 native_verifier(const Secret& password) {
  Sha1 stage1 = sha1(password.bytes());
  const ScopeExit wiped([&stage1] { wipe(stage1); });
  return sha1(stage1);
}

class NativeChallenge final : public MysqlChallenge {
 public:
  NativeChallenge(const Sha1& verifier, std::optional<Secret> password,
                  const MysqlScramble& scramble)
      : verifier_(verifier), password_(std::move(password)), scramble_(scramble) {}

  std::string_view plugin() const noexcept override { return kPlugin; }
  Buffer challenge() const override { return encode_mysql_challenge(scramble_); }

  Result<Step, AuthError> judge(Bytes answer) override {
    const bool proper = answer.empty() || answer.size() == verifier_.size();
    if (std::exchange(done_, true) || !proper) return unexpected_answer(kPlugin);
    if (answer.empty()) return has_no_password() ? accepted() : refused();
    password_sha1_ = verify_native(answer, scramble_, verifier_);
    return password_sha1_ ? accepted() : refused();
  }

  Credentials take_learnt() override {
    Credentials learnt;
    learnt.password = std::move(password_);
    learnt.password_sha1 = std::move(password_sha1_);
    return learnt;
  }

  std::optional<Secret> mariadb_password_hash() const override {
    if (!password_sha1_) return std::nullopt;
    return Secret(Bytes(verifier_));
  }

 private:
  bool has_no_password() const noexcept { return password_ && password_->empty(); }

  Sha1 verifier_;
  std::optional<Secret> password_;
  MysqlScramble scramble_;
  std::optional<Secret> password_sha1_;
  bool done_ = false;
};

}  // namespace

std::unique_ptr<MysqlChallenge> make_native_challenge(const MysqlChallengeSetup& setup) {
  if (const auto* hash = std::get_if<NativeHash>(&setup.verifier)) {
    return std::make_unique<NativeChallenge>(hash->digest, std::nullopt, setup.scramble);
  }
  auto password = password_of(setup.verifier);
  if (!password) return nullptr;
  const Sha1 verifier = native_verifier(*password);
  return std::make_unique<NativeChallenge>(verifier, std::move(password), setup.scramble);
}

}  // namespace perilune::auth
