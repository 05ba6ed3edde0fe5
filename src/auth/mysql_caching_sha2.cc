#include "auth/mysql_caching_sha2.hh"

#include <algorithm>
#include <utility>

#include "auth/mysql_clear.hh"
#include "auth/mysql_rsa.hh"
#include "util/scope_exit.hh"

namespace perilune::auth {

namespace {

constexpr std::string_view kPlugin = "caching_sha2_password";

Sha256 answer_from_stage1(const Sha256& stage1, const MysqlScramble& scramble) {
  Sha256 answer = sha256(sha256(stage1), scramble);
  xor_into(answer, stage1);
  return answer;
}

class CachingSha2Login final : public MysqlLogin {
 public:
  CachingSha2Login(const Credentials& credentials, Transport transport)
      : password_(clone(credentials.password)),
        stage1_(clone(credentials.caching_sha2_stage1)),
        missing_(missing_clear_password(kPlugin, credentials)),
        transport_(transport) {}

  Result<Buffer, AuthError> begin(Bytes challenge) override {
    const auto scramble = read_mysql_challenge(challenge);
    if (!scramble) return scramble.error();
    if (password_ && password_->empty()) return Buffer();
    scramble_ = *scramble;
    const auto answer = fast_answer();
    if (!answer) return answer.error();
    state_ = State::AwaitVerdict;
    return Buffer(answer->begin(), answer->end());
  }

  Result<std::optional<Buffer>, AuthError> next(Bytes more_data) override {
    const State state = std::exchange(state_, State::Done);
    if (state == State::AwaitKey) return encrypted(as_text(more_data));
    if (state == State::AwaitVerdict && more_data.size() == 1) {
      if (more_data.front() == kFastAuthSuccess) return std::optional<Buffer>();
      if (more_data.front() == kPerformFullAuthentication) return full_exchange();
    }
    return AuthError{"the server sent what caching_sha2_password does not have at this point"};
  }

 private:
  enum class State { AwaitVerdict, AwaitKey, Done };

  Result<Sha256, AuthError> fast_answer() const {
    if (password_) return caching_sha2_answer(*password_, scramble_);
    Sha256 stage1;
    if (!stage1_ || stage1_->size() != stage1.size()) return missing_;
    const ScopeExit wiped([&stage1] { wipe(stage1); });
    std::ranges::copy(stage1_->bytes(), stage1.begin());
    return answer_from_stage1(stage1, scramble_);
  }

  Result<std::optional<Buffer>, AuthError> full_exchange() {
    if (!password_) return missing_;
    if (transport_ != Transport::Plain) return std::optional<Buffer>(clear_answer(*password_));
    state_ = State::AwaitKey;
    return std::optional<Buffer>(Buffer{kRequestPublicKey});
  }

  Result<std::optional<Buffer>, AuthError> encrypted(std::string_view public_key_pem) const {
    auto answer = encrypt_password(*password_, scramble_, public_key_pem);
    if (!answer) return answer.error();
    return std::optional<Buffer>(*std::move(answer));
  }

  std::optional<Secret> password_;
  std::optional<Secret> stage1_;
  AuthError missing_;
  Transport transport_;
  MysqlScramble scramble_{};
  State state_ = State::Done;
};

}  // namespace

Sha256 caching_sha2_answer(const Secret& password, const MysqlScramble& scramble) {
  Sha256 stage1 = sha256(password.bytes());
  const ScopeExit wiped([&stage1] { wipe(stage1); });
  return answer_from_stage1(stage1, scramble);
}

std::optional<Secret> verify_caching_sha2(Bytes answer, const MysqlScramble& scramble,
                                          const Sha256& verifier) {
  Sha256 stage1;
  if (answer.size() != stage1.size()) return std::nullopt;
  const ScopeExit wiped([&stage1] { wipe(stage1); });
  std::ranges::copy(answer, stage1.begin());
  xor_into(stage1, sha256(verifier, scramble));
  if (!equal_in_constant_time(sha256(stage1), verifier)) return std::nullopt;
  return Secret(Bytes(stage1));
}

std::unique_ptr<MysqlLogin> make_caching_sha2_login(const Credentials& credentials,
                                                    Transport transport) {
  return std::make_unique<CachingSha2Login>(credentials, transport);
}

}  // namespace perilune::auth
