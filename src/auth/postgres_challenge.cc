#include "auth/postgres_challenge.hh"

#include <array>
#include <string>
#include <utility>

#include "auth/postgres_md5.hh"
#include "auth/random.hh"

namespace perilune::auth {

namespace {

using Step = PostgresChallenge::Step;
using Verdict = PostgresChallenge::Verdict;

// Both have one answer.
class OneAnswer : public PostgresChallenge {
 public:
  Result<Step, AuthError> judge(Bytes answer) final {
    if (std::exchange(judged_, true)) return AuthError{"the client answers twice"};
    return Step{is_right(answer) ? Verdict::Accepted : Verdict::Refused, std::nullopt};
  }
  PostgresCredentials take_learnt() final { return std::move(learnt_); }

 protected:
  PostgresCredentials& learnt() noexcept { return learnt_; }

 private:
  virtual bool is_right(Bytes answer) = 0;

  PostgresCredentials learnt_;
  bool judged_ = false;
};

class ClearTextChallenge final : public OneAnswer {
 public:
  explicit ClearTextChallenge(const PostgresChallengeSetup& setup)
      : verifier_(clone(setup.verifier)),
        user_(setup.user),
        cache_(setup.cache),
        limits_(setup.limits) {}

  Buffer salt() const override { return {}; }

 private:
  // PostgreSQL takes no empty password.
  bool is_right(Bytes answer) override {
    Secret password(answer);
    if (!is_password(password, verifier_, user_, cache_, limits_) || password.empty()) return false;
    learnt().password = std::move(password);
    return true;
  }

  PostgresVerifier verifier_;
  std::string user_;
  ScramKeyCache& cache_;
  ScramLimits limits_;
};

class Md5Challenge final : public OneAnswer {
 public:
  // exists: else nobody is right.
  Md5Challenge(std::optional<Secret> password, Secret hash, bool exists)
      : password_(std::move(password)), hash_(std::move(hash)), exists_(exists) {
    fill_random(salt_);
  }

  Buffer salt() const override { return {salt_.begin(), salt_.end()}; }

 private:
  bool is_right(Bytes answer) override {
    const std::string right = postgres_md5_answer(hash_, salt_);
    if (!equal_in_constant_time(answer, as_bytes(right)) || !exists_) return false;
    learnt().password = std::move(password_);
    learnt().md5_hash = std::move(hash_);
    return true;
  }

  std::array<std::byte, kMd5SaltSize> salt_;
  std::optional<Secret> password_;
  Secret hash_;
  bool exists_;
};

}  // namespace

std::unique_ptr<PostgresChallenge> make_clear_text_challenge(const PostgresChallengeSetup& setup) {
  return std::make_unique<ClearTextChallenge>(setup);
}

std::unique_ptr<PostgresChallenge> make_md5_challenge(const PostgresChallengeSetup& setup) {
  if (const auto* clear = std::get_if<ClearPassword>(&setup.verifier)) {
    return std::make_unique<Md5Challenge>(clear->password.clone(),
                                          postgres_md5_hash(clear->password, setup.user), true);
  }
  if (const auto* hash = std::get_if<PostgresMd5Hash>(&setup.verifier)) {
    return std::make_unique<Md5Challenge>(std::nullopt, hash->digits.clone(), true);
  }
  if (!std::holds_alternative<Nobody>(setup.verifier)) return nullptr;
  return std::make_unique<Md5Challenge>(std::nullopt, Secret(), false);
}

}  // namespace perilune::auth
