#include "auth/mysql_native.hh"

#include <algorithm>

#include "util/scope_exit.hh"

namespace perilune::auth {

namespace {

Buffer to_buffer(const Sha1& answer) { return Buffer(answer.begin(), answer.end()); }

class NativeLogin final : public MysqlLogin {
 public:
  explicit NativeLogin(const Credentials& credentials)
      : password_(clone(credentials.password)), password_sha1_(clone(credentials.password_sha1)) {}

  Result<Buffer, AuthError> begin(Bytes challenge) override {
    const auto scramble = read_mysql_challenge(challenge);
    if (!scramble) return scramble.error();
    if (password_) return answer_by_password(*scramble);
    if (password_sha1_) return answer_by_sha1(*scramble);
    return AuthError{"mysql_native_password needs password or password_sha1, neither is known"};
  }

  Result<std::optional<Buffer>, AuthError> next(Bytes) override {
    return AuthError{"the server sent more data, which mysql_native_password does not have"};
  }

 private:
  Buffer answer_by_password(const MysqlScramble& scramble) const {
    return password_->empty() ? Buffer() : to_buffer(native_answer(*password_, scramble));
  }

  Result<Buffer, AuthError> answer_by_sha1(const MysqlScramble& scramble) const {
    Sha1 stage1;
    if (password_sha1_->size() != stage1.size()) {
      return AuthError{"password_sha1 must have 20 bytes, not " +
                       std::to_string(password_sha1_->size())};
    }
    const ScopeExit wiped([&stage1] { wipe(stage1); });
    std::ranges::copy(password_sha1_->bytes(), stage1.begin());
    return to_buffer(native_answer_from_sha1(stage1, scramble));
  }

  std::optional<Secret> password_;
  std::optional<Secret> password_sha1_;
};

}  // namespace

Sha1 native_answer(const Secret& password, const MysqlScramble& scramble) {
  Sha1 stage1 = sha1(password.bytes());
  const ScopeExit wiped([&stage1] { wipe(stage1); });
  return native_answer_from_sha1(stage1, scramble);
}

Sha1 native_answer_from_sha1(const Sha1& password_sha1, const MysqlScramble& scramble) {
  Sha1 answer = sha1(scramble, sha1(password_sha1));
  xor_into(answer, password_sha1);
  return answer;
}

std::optional<Secret> verify_native(Bytes answer, const MysqlScramble& scramble,
                                    const Sha1& verifier) {
  Sha1 stage1;
  if (answer.size() != stage1.size()) return std::nullopt;
  const ScopeExit wiped([&stage1] { wipe(stage1); });
  std::ranges::copy(answer, stage1.begin());
  xor_into(stage1, sha1(scramble, verifier));
  if (!equal_in_constant_time(sha1(stage1), verifier)) return std::nullopt;
  return Secret(Bytes(stage1));
}

std::unique_ptr<MysqlLogin> make_native_login(const Credentials& credentials, Transport) {
  return std::make_unique<NativeLogin>(credentials);
}

}  // namespace perilune::auth
