#pragma once

// The challenges of the methods, one .cc each; for mysql_challenge.cc only.

#include <memory>

#include "auth/mysql_challenge.hh"

namespace perilune::auth {

struct MysqlChallengeSetup {
  const MysqlVerifier& verifier;
  Transport transport;
  const MysqlScramble& scramble;
  const RsaKey* rsa_key;
  std::string_view user;
};

// Null: cannot judge.
std::unique_ptr<MysqlChallenge> make_caching_sha2_challenge(const MysqlChallengeSetup& setup);
std::unique_ptr<MysqlChallenge> make_clear_challenge(const MysqlChallengeSetup& setup);
std::unique_ptr<MysqlChallenge> make_ed25519_challenge(const MysqlChallengeSetup& setup);
std::unique_ptr<MysqlChallenge> make_native_challenge(const MysqlChallengeSetup& setup);
std::unique_ptr<MysqlChallenge> make_parsec_challenge(const MysqlChallengeSetup& setup);
std::unique_ptr<MysqlChallenge> make_sha256_challenge(const MysqlChallengeSetup& setup);

// 21 bytes: the scramble and a NUL.
Buffer encode_mysql_challenge(const MysqlScramble& scramble);

MysqlChallenge::Step accepted();
MysqlChallenge::Step refused();
MysqlChallenge::Step asks_more(Buffer more_data);

// A password that nobody has, where Nobody's comparison needs one.
Secret make_unknown_password();

// The verifier's password or, for Nobody, an unknown one; null for everything else.
std::optional<Secret> password_of(const MysqlVerifier& verifier);

// "mysql_native_password does not have such an answer at this point"
AuthError unexpected_answer(std::string_view plugin);

}  // namespace perilune::auth
