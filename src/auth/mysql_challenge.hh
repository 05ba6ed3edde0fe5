#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "auth/error.hh"
#include "auth/mysql_login.hh"
#include "auth/mysql_verifier.hh"
#include "auth/random.hh"
#include "auth/rsa_key.hh"
#include "util/bytes.hh"
#include "util/result.hh"

namespace perilune::auth {

// Judges one client's answers by one method. Pure; one object per challenge. A wrong password takes
// the same rounds and about the same work whatever the verifier, Nobody included.
class MysqlChallenge {
 public:
  enum class Verdict { Accepted, Refused, AsksMore };

  struct Step {
    Verdict verdict = Verdict::Refused;
    // To be sent first, also with Accepted: the body of AuthMoreData…
    std::optional<Buffer> more_data;
    // …without the 0x01 before it if this is set: MariaDB's server sends parsec's salt so, and its
    // connector for Node.js understands nothing else.
    bool bare = false;
  };

  virtual ~MysqlChallenge() = default;

  virtual std::string_view plugin() const noexcept = 0;

  // For a greeting or an AuthSwitchRequest, with the NUL where the method ends it with one.
  virtual Buffer challenge() const = 0;

  // The client's first answer and each later one. An error: not what the method has at this point;
  // nothing more is judged then, nor after a verdict.
  virtual Result<Step, AuthError> judge(Bytes answer) = 0;

  // Once, after Accepted: what the answers and the verifier gave away.
  virtual Credentials take_learnt() = 0;

  // Once, after Refused: the password that came instead, to be judged by another verifier; null by
  // methods that do not let it come.
  virtual std::optional<Secret> take_offered() { return std::nullopt; }

  // After a verdict: whether the password came readable over a plain connection, without that
  // anybody asked for it so. (MariaDB's client does that; the damage is done.)
  virtual bool came_in_clear() const noexcept { return false; }

  // After Accepted: what mariadb_tls_proof wants to know; null if it cannot work here.
  virtual std::optional<Secret> mariadb_password_hash() const { return std::nullopt; }
};

// Null: this method cannot judge by that verifier, or it needs an RSA key and there is none. The
// key outlives the challenge. `user` makes up parsec's salt where the verifier has none: always the
// same one for the same name, as if it were stored.
std::unique_ptr<MysqlChallenge> make_mysql_challenge(
    std::string_view plugin, const MysqlVerifier& verifier, Transport transport,
    const MysqlScramble& scramble, const RsaKey* rsa_key, std::string_view user = {});

// The methods that can judge by a verifier, best first: for the one AuthSwitchRequest that a client
// accepts if its own method is not among them. Without mysql_clear_password on plain connections,
// although make_mysql_challenge makes it there too. Whoever asks for Nobody chooses as for the
// users that exist.
std::span<const std::string_view> mysql_plugins_for(const MysqlVerifier& verifier,
                                                    Transport transport) noexcept;

}  // namespace perilune::auth
