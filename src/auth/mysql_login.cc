#include "auth/mysql_login.hh"

#include <algorithm>

namespace perilune::auth {

Result<MysqlScramble, AuthError> read_mysql_challenge(Bytes challenge) {
  const bool has_nul =
      challenge.size() == kMysqlScrambleSize + 1 && challenge.back() == std::byte{0};
  if (challenge.size() != kMysqlScrambleSize && !has_nul) {
    return AuthError{"the server's challenge does not have 20 bytes, but " +
                     std::to_string(challenge.size())};
  }
  MysqlScramble scramble;
  std::copy_n(challenge.begin(), scramble.size(), scramble.begin());
  return scramble;
}

AuthError missing_clear_password(std::string_view plugin, bool knows_sha1) {
  return {std::string(plugin) + " needs the clear password, " +
          (knows_sha1 ? "only password_sha1 is known" : "which is not known")};
}

}  // namespace perilune::auth
