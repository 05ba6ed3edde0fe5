#include "auth/mysql_login.hh"

#include <algorithm>
#include <string>

namespace perilune::auth {

namespace {

AuthError wrong_size(Bytes challenge, std::size_t expected) {
  return {"the server's challenge does not have " + std::to_string(expected) + " bytes, but " +
          std::to_string(challenge.size())};
}

std::string_view known_instead(const Credentials& credentials) {
  if (credentials.password_sha1) return "only password_sha1 is known";
  if (credentials.caching_sha2_stage1) return "only its SHA256 is known";
  return "which is not known";
}

}  // namespace

Result<MysqlScramble, AuthError> read_mysql_challenge(Bytes challenge) {
  MysqlScramble scramble;
  const bool has_nul = challenge.size() == scramble.size() + 1 && challenge.back() == std::byte{0};
  if (challenge.size() != scramble.size() && !has_nul) {
    return wrong_size(challenge, scramble.size());
  }
  std::copy_n(challenge.begin(), scramble.size(), scramble.begin());
  return scramble;
}

Result<MariadbScramble, AuthError> read_mariadb_challenge(Bytes challenge) {
  MariadbScramble scramble;
  if (challenge.size() != scramble.size()) return wrong_size(challenge, scramble.size());
  std::ranges::copy(challenge, scramble.begin());
  return scramble;
}

AuthError missing_clear_password(std::string_view plugin, const Credentials& credentials) {
  return {std::string(plugin) + " needs the clear password, " +
          std::string(known_instead(credentials))};
}

}  // namespace perilune::auth
