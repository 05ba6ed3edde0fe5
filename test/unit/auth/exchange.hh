#pragma once

#include <string_view>

#include "auth/mysql_challenge.hh"

namespace perilune::test {

inline constexpr auth::MysqlScramble kScramble = [] {
  auth::MysqlScramble scramble{};
  for (std::size_t i = 0; i < scramble.size(); ++i) scramble[i] = static_cast<std::byte>(i + 65);
  return scramble;
}();

// Made once for all tests.
const auth::RsaKey& shared_rsa_key();

struct Method {
  std::string_view plugin;
  auth::Transport transport;
};

struct Outcome {
  auth::MysqlChallenge::Verdict verdict;
  int rounds = 0;  // answers of the client
  bool came_in_clear = false;
  auth::Credentials learnt;                  // if accepted
  std::optional<auth::Secret> mariadb_hash;  // if accepted
};

// Our own client with that password against our own challenge; throws if one of them gives up.
Outcome exchange(Method method, const auth::MysqlVerifier& verifier, std::string_view password);

// Of a challenge whose client sends what somebody else thought out.
std::unique_ptr<auth::MysqlChallenge> challenge_of(Method method,
                                                   const auth::MysqlVerifier& verifier);

}  // namespace perilune::test
