#pragma once

// What a password is compared with: the password itself, or what PostgreSQL stores of it.

#include <string_view>
#include <variant>

#include "auth/error.hh"
#include "auth/password_kinds.hh"
#include "auth/scram_keys.hh"
#include "auth/secret.hh"
#include "util/result.hh"

namespace perilune::auth {

// The 32 digits of postgres_md5_hash().
struct PostgresMd5Hash {
  Secret digits;
};

using PostgresVerifier =
    std::variant<ClearPassword, PostgresMd5Hash, ScramVerifier, AnyPassword, Nobody>;

// Reads what pg_authid has: "SCRAM-SHA-256$…" and "md5…". Anything else is the clear password, and
// so is what is not quite one of these. A clear password that looks like one of them is taken for
// what it looks like: nobody can log in with it, but nobody else can either. An error for a NUL,
// which no client can send.
Result<PostgresVerifier, AuthError> parse_postgres_verifier(std::string_view text);

PostgresVerifier clone(const PostgresVerifier& verifier);

// Compares in constant time. A SCRAM verifier costs its iterations; false if the limits forbid
// them.
bool is_password(const Secret& password, const PostgresVerifier& verifier, std::string_view user,
                 ScramKeyCache& cache, const ScramLimits& limits);

}  // namespace perilune::auth
