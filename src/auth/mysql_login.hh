#pragma once

#include <optional>
#include <string_view>

#include "auth/error.hh"
#include "auth/random.hh"
#include "auth/secret.hh"
#include "util/bytes.hh"
#include "util/result.hh"

namespace perilune::auth {

// What is known about the account. Both absent: the client's own proof is passed through, there is
// nothing to answer with. An empty password: an account without one.
struct Credentials {
  std::optional<Secret> password;
  std::optional<Secret> password_sha1;  // 20 raw bytes: SHA1(password), all that native needs
};

// What lies between us and the server; a clear password never travels over Plain.
enum class Transport { Plain, Unix, Tls };

// Answers one server's challenges by one method, with known credentials. Pure; one object per login
// or per AuthSwitchRequest. Keeps its own copy of the secret it needs. Answers that contain a clear
// password are the caller's to wipe once they are sent.
class MysqlLogin {
 public:
  virtual ~MysqlLogin() = default;

  // The first answer; empty for an account without a password. `challenge` has 20 bytes, or 21 with
  // the NUL that greetings and AuthSwitchRequests end it with.
  virtual Result<Buffer, AuthError> begin(Bytes challenge) = 0;

  // `more_data` is the body of AuthMoreData after its 0x01. No value: nothing to send, the server's
  // OK or error comes next.
  virtual Result<std::optional<Buffer>, AuthError> next(Bytes more_data) = 0;
};

// The 20 bytes of a challenge; any other length is an error.
Result<MysqlScramble, AuthError> read_mysql_challenge(Bytes challenge);

// "caching_sha2_password needs the clear password, only password_sha1 is known"
AuthError missing_clear_password(std::string_view plugin, bool knows_sha1);

}  // namespace perilune::auth
