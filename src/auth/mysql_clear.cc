#include "auth/mysql_clear.hh"

#include <algorithm>

namespace perilune::auth {

namespace {

class ClearLogin final : public MysqlLogin {
 public:
  ClearLogin(const Credentials& credentials, Transport transport)
      : password_(clone(credentials.password)),
        missing_(missing_clear_password("mysql_clear_password", credentials)),
        transport_(transport) {}

  // The challenge, if there is one, plays no part.
  Result<Buffer, AuthError> begin(Bytes) override {
    if (!password_) return missing_;
    if (password_->empty()) return Buffer();
    if (transport_ == Transport::Plain) {
      return AuthError{
          "mysql_clear_password would send the password readable for everybody; it needs TLS or a "
          "unix socket"};
    }
    return clear_answer(*password_);
  }

  Result<std::optional<Buffer>, AuthError> next(Bytes) override {
    return AuthError{"the server sent more data, which mysql_clear_password does not have"};
  }

 private:
  std::optional<Secret> password_;
  AuthError missing_;
  Transport transport_;
};

}  // namespace

Buffer clear_answer(const Secret& password) {
  Buffer answer;
  answer.reserve(password.size() + 1);  // exactly, so that growing leaves no copy behind
  append(answer, password.bytes());
  answer.push_back(std::byte{0});
  return answer;
}

std::optional<Secret> read_clear_answer(Bytes answer) {
  const auto nul = std::ranges::find(answer, std::byte{0});
  if (nul == answer.end() || nul + 1 != answer.end()) return std::nullopt;
  if (answer.size() > kMaxClearPassword + 1) return std::nullopt;
  return Secret(answer.first(answer.size() - 1));
}

std::unique_ptr<MysqlLogin> make_clear_login(const Credentials& credentials, Transport transport) {
  return std::make_unique<ClearLogin>(credentials, transport);
}

}  // namespace perilune::auth
