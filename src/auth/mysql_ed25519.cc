#include "auth/mysql_ed25519.hh"

#include "auth/ed25519.hh"

namespace perilune::auth {

namespace {

class Ed25519Login final : public MysqlLogin {
 public:
  explicit Ed25519Login(const Credentials& credentials)
      : password_(clone(credentials.password)),
        missing_(missing_clear_password("client_ed25519", credentials)) {}

  // The empty password signs as every other one does.
  Result<Buffer, AuthError> begin(Bytes challenge) override {
    const auto scramble = read_mariadb_challenge(challenge);
    if (!scramble) return scramble.error();
    if (!password_) return missing_;
    const Ed25519Signature signature = ed25519_sign(password_->bytes(), *scramble);
    return Buffer(signature.begin(), signature.end());
  }

  Result<std::optional<Buffer>, AuthError> next(Bytes) override {
    return AuthError{"the server sent more data, which client_ed25519 does not have"};
  }

 private:
  std::optional<Secret> password_;
  AuthError missing_;
};

}  // namespace

std::unique_ptr<MysqlLogin> make_ed25519_login(const Credentials& credentials, Transport) {
  return std::make_unique<Ed25519Login>(credentials);
}

}  // namespace perilune::auth
