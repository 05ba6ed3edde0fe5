#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "auth/error.hh"
#include "auth/random.hh"
#include "auth/secret.hh"
#include "auth/transport.hh"
#include "util/bytes.hh"
#include "util/result.hh"

namespace perilune::auth {

// What is known about the account. All absent: the client's own proof is passed through, there is
// nothing to answer with. An empty password: an account without one.
struct Credentials {
  std::optional<Secret> password;
  std::optional<Secret> password_sha1;  // 20 raw bytes: SHA1(password), all that native needs
  // 32 raw bytes: SHA256(password), all that caching_sha2_password's fast exchange needs.
  std::optional<Secret> caching_sha2_stage1;
};

inline Credentials clone(const Credentials& credentials) {
  return {clone(credentials.password), clone(credentials.password_sha1),
          clone(credentials.caching_sha2_stage1)};
}

// Answers one server's challenges by one method, with known credentials. Pure; one object per login
// or per AuthSwitchRequest. Keeps its own copy of the secret it needs. Answers that contain a clear
// password are the caller's to wipe once they are sent.
class MysqlLogin {
 public:
  virtual ~MysqlLogin() = default;

  // The first answer; may be empty, and then is to be sent nevertheless. `challenge` has 20 bytes,
  // or 21 with the NUL that greetings and AuthSwitchRequests end it with; 32 without a NUL for
  // client_ed25519 and parsec.
  virtual Result<Buffer, AuthError> begin(Bytes challenge) = 0;

  // `more_data` is the body of AuthMoreData after its 0x01. (MariaDB's server sends parsec's salt
  // without the 0x01: what begins with 'P' there is the body already.) No value: nothing to send,
  // the server's OK or error comes next.
  virtual Result<std::optional<Buffer>, AuthError> next(Bytes more_data) = 0;
};

// The bytes of a challenge; any other length is an error.
Result<MysqlScramble, AuthError> read_mysql_challenge(Bytes challenge);

inline constexpr std::size_t kMariadbScrambleSize = 32;
using MariadbScramble = std::array<std::byte, kMariadbScrambleSize>;
Result<MariadbScramble, AuthError> read_mariadb_challenge(Bytes challenge);

// "caching_sha2_password needs the clear password, only password_sha1 is known"
AuthError missing_clear_password(std::string_view plugin, const Credentials& credentials);

}  // namespace perilune::auth
