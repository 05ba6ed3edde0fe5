#include "auth/postgres_login.hh"

#include <string>

#include "auth/postgres_md5.hh"

namespace perilune::auth {

namespace {

std::string_view known_instead(const PostgresCredentials& credentials) {
  if (credentials.scram) return "only the keys of SCRAM are known";
  if (credentials.md5_hash) return "only the hash of md5 is known";
  return "which is not known";
}

Buffer buffer_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// Both send one answer and are done.
class OneAnswer : public PostgresLogin {
 public:
  Result<std::optional<Buffer>, AuthError> next(Bytes) final {
    return AuthError{"the server asks for SASL where it had asked for a password"};
  }
  bool is_complete() const noexcept final { return true; }
};

class ClearTextLogin final : public OneAnswer {
 public:
  explicit ClearTextLogin(Secret password) : password_(std::move(password)) {}
  Result<Buffer, AuthError> begin(Bytes) override { return buffer_of(password_.bytes()); }

 private:
  Secret password_;
};

class Md5Login final : public OneAnswer {
 public:
  explicit Md5Login(Secret hash) : hash_(std::move(hash)) {}
  Result<Buffer, AuthError> begin(Bytes salt) override {
    if (salt.size() != kMd5SaltSize) return AuthError{"the server's md5 salt has not 4 bytes"};
    return buffer_of(as_bytes(postgres_md5_answer(hash_, salt)));
  }

 private:
  Secret hash_;
};

}  // namespace

PostgresCredentials clone(const PostgresCredentials& credentials) {
  PostgresCredentials copy;
  copy.password = clone(credentials.password);
  copy.md5_hash = clone(credentials.md5_hash);
  if (credentials.scram) copy.scram = credentials.scram->clone();
  return copy;
}

AuthError missing_postgres_secret(std::string_view method, const PostgresCredentials& credentials) {
  return {std::string(method) + " needs the password, " + std::string(known_instead(credentials))};
}

MadePostgresLogin make_clear_text_login(const PostgresLoginSetup& setup) {
  if (setup.transport == Transport::Plain) {
    return AuthError{"the server asks for the password in clear over a plain connection"};
  }
  if (!setup.credentials.password) {
    return missing_postgres_secret("a login in clear text", setup.credentials);
  }
  return MadePostgresLogin(std::make_unique<ClearTextLogin>(setup.credentials.password->clone()));
}

MadePostgresLogin make_md5_login(const PostgresLoginSetup& setup) {
  const PostgresCredentials& known = setup.credentials;
  if (!known.password && !known.md5_hash) return missing_postgres_secret("md5", known);
  return MadePostgresLogin(std::make_unique<Md5Login>(
      known.password ? postgres_md5_hash(*known.password, setup.user) : known.md5_hash->clone()));
}

}  // namespace perilune::auth
