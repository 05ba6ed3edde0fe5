#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "auth/error.hh"
#include "auth/postgres_login.hh"
#include "auth/postgres_verifier.hh"
#include "util/bytes.hh"
#include "util/result.hh"

namespace perilune::auth {

struct PostgresChallengeSetup {
  const PostgresVerifier& verifier;
  std::string_view user;
  ScramKeyCache& cache;  // outlives the challenge
  ScramLimits limits = {};
  // SCRAM: our own certificate by tls_server_end_point(); not empty: -PLUS was offered.
  Bytes end_point = {};
};

// Judges one client's answers by one method. Pure; one object per challenge. Who asks for a user
// twice gets the same salt, from this process, whether or not there is one. A verifier is judged at
// the price of Nobody; a clear password costs its derivation once.
class PostgresChallenge {
 public:
  enum class Verdict { Accepted, Refused, AsksMore };

  struct Step {
    Verdict verdict = Verdict::Refused;
    // To be sent first, also with Accepted: for AuthenticationSASLContinue, or …SASLFinal with
    // Accepted.
    std::optional<Buffer> data;
  };

  virtual ~PostgresChallenge() = default;

  // For AuthenticationMD5Password; else empty.
  virtual Buffer salt() const = 0;

  // The client's first answer and each later one, passwords without their NUL. An error: not what
  // the method has at this point; nothing more is judged then, nor after a verdict.
  virtual Result<Step, AuthError> judge(Bytes answer) = 0;

  // Once, after Accepted: what the answers and the verifier gave away.
  virtual PostgresCredentials take_learnt() = 0;
};

// One .cc each; for postgres_methods.cc only. Null: cannot judge.
std::unique_ptr<PostgresChallenge> make_clear_text_challenge(const PostgresChallengeSetup& setup);
std::unique_ptr<PostgresChallenge> make_md5_challenge(const PostgresChallengeSetup& setup);
std::unique_ptr<PostgresChallenge> make_scram_challenge(const PostgresChallengeSetup& setup,
                                                        bool is_plus);

// A salt that looks stored, from this process always the same for a user.
Buffer made_up_scram_salt(std::string_view user);

}  // namespace perilune::auth
