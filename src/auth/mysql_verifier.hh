#pragma once

// What a password is compared with: the password itself, or what MySQL and MariaDB store of it.

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <variant>

#include "auth/digests.hh"
#include "auth/ed25519.hh"
#include "auth/error.hh"
#include "auth/mysql_parsec.hh"
#include "auth/password_kinds.hh"
#include "auth/secret.hh"
#include "auth/sha256_crypt.hh"
#include "util/result.hh"

namespace perilune::auth {

// mysql_native_password: SHA1(SHA1(password))
struct NativeHash {
  Sha1 digest{};
};

// caching_sha2_password. `stage2` is SHA256(SHA256(password)): not stored, but a login by the full
// exchange gives it away, and later logins are then judged by the fast one.
struct CachingSha2Hash {
  unsigned rounds = 5000;
  std::array<std::byte, 20> salt{};
  Sha256Crypt crypt{};
  std::optional<Sha256> stage2;
};

// client_ed25519
struct Ed25519Hash {
  Ed25519Key key{};
};

struct ParsecHash {
  ParsecSalt salt;
  Ed25519Key key{};
};

using MysqlVerifier = std::variant<ClearPassword, NativeHash, CachingSha2Hash, Ed25519Hash,
                                   ParsecHash, AnyPassword, Nobody>;

// Reads, in the spelling that the servers store and show:
//   *HEX40                       mysql_native_password, digits of either case
//   $A$HHH$ + 20 bytes + 43      caching_sha2_password; HHH in hexadecimal times 1,000 rounds
//   0x2441… (140 digits)         the same as SHOW CREATE USER prints it for
//                                print_identified_with_as_hex
//   43 characters of base64      MariaDB's ed25519, if they are a public key
//   Pn:24 of base64:43 of base64 MariaDB's parsec, n from 0 to kMaxParsecFactor
// Anything else is the clear password, and so is a spelling that is not quite one of these. A clear
// password that looks like one of them is taken for what it looks like: nobody can log in with it,
// but nobody else can either. An error only for a NUL, which no client can send.
Result<MysqlVerifier, AuthError> parse_mysql_verifier(std::string_view text);

MysqlVerifier clone(const MysqlVerifier& verifier);

// Compares in constant time. Costs up to sha256_crypt's rounds or derive_parsec_secret's
// iterations, as the verifier says; Nobody costs 5,000 rounds.
bool is_password(const Secret& password, const MysqlVerifier& verifier);

// What is_password costs for MySQL's own accounts, and nothing else: makes a cheap refusal as slow.
void spend_a_comparison(const Secret& password);

}  // namespace perilune::auth
