#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "auth/error.hh"
#include "auth/scram.hh"
#include "auth/scram_keys.hh"
#include "auth/secret.hh"
#include "auth/transport.hh"
#include "util/bytes.hh"
#include "util/result.hh"

namespace perilune::auth {

// What is known about the account. All absent: the client's own proof is passed through.
struct PostgresCredentials {
  std::optional<Secret> password;
  std::optional<Secret> md5_hash;  // the 32 digits of postgres_md5_hash()
  std::optional<ScramKeys> scram;
};

PostgresCredentials clone(const PostgresCredentials& credentials);

struct PostgresLoginSetup {
  const PostgresCredentials& credentials;
  std::string_view user;  // as the server knows it
  Transport transport;
  ScramKeyCache& cache;  // outlives the login
  ScramLimits limits = {};
  // SCRAM: the server's certificate by tls_server_end_point(), empty without TLS or hash.
  Bytes end_point = {};
};

// Answers one server's request by one method, with known credentials. Pure; one object per login.
class PostgresLogin {
 public:
  virtual ~PostgresLogin() = default;

  // The answer to the server's first request. `salt`: md5's, else empty. Clear passwords are the
  // caller's to wipe once they are sent. Neither they nor md5's have the NUL that a PasswordMessage
  // ends with.
  virtual Result<Buffer, AuthError> begin(Bytes salt) = 0;

  // SASL: the answer to the data that came by AuthenticationSASLContinue or …Final; no value:
  // nothing to send.
  virtual Result<std::optional<Buffer>, AuthError> next(Bytes data) = 0;

  // AuthenticationOk may be believed: the server has shown, where the method lets it, that it knows
  // the password. Otherwise it is somebody who lets everybody in.
  virtual bool is_complete() const noexcept = 0;
};

// One .cc each; for postgres_methods.cc only.
using MadePostgresLogin = Result<std::unique_ptr<PostgresLogin>, AuthError>;
MadePostgresLogin make_clear_text_login(const PostgresLoginSetup& setup);
MadePostgresLogin make_md5_login(const PostgresLoginSetup& setup);
MadePostgresLogin make_scram_login(const PostgresLoginSetup& setup, ScramBinding binding);

// "SCRAM-SHA-256 needs the password, of which only …"
AuthError missing_postgres_secret(std::string_view method, const PostgresCredentials& credentials);

}  // namespace perilune::auth
