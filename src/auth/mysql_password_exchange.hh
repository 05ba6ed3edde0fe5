#pragma once

#include <cstddef>
#include <string_view>

#include "auth/mysql_challenge_methods.hh"

namespace perilune::auth {

// How the clear password comes to us, in caching_sha2_password's full exchange and in
// sha256_password: readable, or after a request for the key encrypted with it; and whether it is
// right. MariaDB's client sends it readable over plain connections too: taken, as it is out.
class MysqlPasswordExchange {
 public:
  struct Options {
    std::string_view plugin;
    std::byte key_request{};
    // Over others the client encrypts.
    bool safe_transport = false;
  };

  MysqlPasswordExchange(const MysqlChallengeSetup& setup, Options options)
      : options_(options),
        verifier_(clone(setup.verifier)),
        plain_(setup.transport == Transport::Plain),
        scramble_(setup.scramble),
        rsa_key_(setup.rsa_key) {}

  Result<MysqlChallenge::Step, AuthError> judge(Bytes answer);

  // The client says that it has no password; costs nothing, whatever the verifier.
  MysqlChallenge::Step judge_empty();

  std::optional<Secret> take_password() { return std::move(password_); }
  std::optional<Secret> take_offered() { return std::move(offered_); }
  bool came_in_clear() const noexcept { return came_in_clear_; }

 private:
  bool is_cipher(Bytes answer) const noexcept;
  Result<MysqlChallenge::Step, AuthError> judge_clear(Bytes answer);
  MysqlChallenge::Step judge_password(std::optional<Secret> password);

  Options options_;
  MysqlVerifier verifier_;
  bool plain_;
  MysqlScramble scramble_;
  const RsaKey* rsa_key_;
  bool key_sent_ = false;
  bool done_ = false;
  bool came_in_clear_ = false;
  std::optional<Secret> password_;
  std::optional<Secret> offered_;
};

// Whether every refusal must be made to cost a crypt, because this verifier's does not.
bool compares_cheaply(const MysqlVerifier& verifier) noexcept;

}  // namespace perilune::auth
