#include "auth/mysql_sha256.hh"

#include <utility>

#include "auth/mysql_clear.hh"
#include "auth/mysql_rsa.hh"

namespace perilune::auth {

namespace {

class Sha256Login final : public MysqlLogin {
 public:
  Sha256Login(const Credentials& credentials, Transport transport)
      : password_(clone(credentials.password)),
        missing_(missing_clear_password("sha256_password", credentials)),
        transport_(transport) {}

  Result<Buffer, AuthError> begin(Bytes challenge) override {
    const auto scramble = read_mysql_challenge(challenge);
    if (!scramble) return scramble.error();
    if (!password_) return missing_;
    if (password_->empty()) return Buffer();
    if (transport_ == Transport::Tls) return clear_answer(*password_);
    scramble_ = *scramble;
    awaits_key_ = true;
    return Buffer{kSha256RequestPublicKey};
  }

  Result<std::optional<Buffer>, AuthError> next(Bytes more_data) override {
    if (!std::exchange(awaits_key_, false)) {
      return AuthError{"the server sent what sha256_password does not have at this point"};
    }
    auto answer = encrypt_password(*password_, scramble_, as_text(more_data));
    if (!answer) return answer.error();
    return std::optional<Buffer>(*std::move(answer));
  }

 private:
  std::optional<Secret> password_;
  AuthError missing_;
  Transport transport_;
  MysqlScramble scramble_{};
  bool awaits_key_ = false;
};

}  // namespace

std::unique_ptr<MysqlLogin> make_sha256_login(const Credentials& credentials, Transport transport) {
  return std::make_unique<Sha256Login>(credentials, transport);
}

}  // namespace perilune::auth
