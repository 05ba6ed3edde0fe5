#include "auth/postgres_verifier.hh"

#include <utility>

#include "auth/postgres_md5.hh"

namespace perilune::auth {

namespace {

struct Compare {
  const Secret& password;
  std::string_view user;
  ScramKeyCache& cache;
  const ScramLimits& limits;

  bool operator()(const ClearPassword& clear) const { return password.equals(clear.password); }

  bool operator()(const PostgresMd5Hash& hash) const {
    return postgres_md5_hash(password, user).equals(hash.digits);
  }

  bool operator()(const ScramVerifier& verifier) const {
    if (!limits.allow(verifier.iterations)) return false;
    const ScramKeys keys = cache.keys(password, verifier.salt, verifier.iterations);
    return equal_in_constant_time(make_scram_verifier(keys).stored_key, verifier.stored_key);
  }

  bool operator()(const AnyPassword&) const { return true; }

  bool operator()(const Nobody&) const {
    (void)derive_scram_keys(password, as_bytes("anybody's salt"), kScramIterations);
    return false;
  }
};

struct Clone {
  PostgresVerifier operator()(const ClearPassword& clear) const {
    return ClearPassword{clear.password.clone()};
  }
  PostgresVerifier operator()(const PostgresMd5Hash& hash) const {
    return PostgresMd5Hash{hash.digits.clone()};
  }
  PostgresVerifier operator()(const ScramVerifier& verifier) const { return verifier; }
  PostgresVerifier operator()(const AnyPassword& any) const { return any; }
  PostgresVerifier operator()(const Nobody& nobody) const { return nobody; }
};

}  // namespace

Result<PostgresVerifier, AuthError> parse_postgres_verifier(std::string_view text) {
  if (text.find('\0') != text.npos) return AuthError{"a password cannot contain a NUL"};
  if (auto verifier = parse_scram_verifier(text)) return PostgresVerifier(*std::move(verifier));
  if (auto digits = parse_postgres_md5(text)) {
    return PostgresVerifier(PostgresMd5Hash{*std::move(digits)});
  }
  return PostgresVerifier(ClearPassword{Secret(text)});
}

PostgresVerifier clone(const PostgresVerifier& verifier) { return std::visit(Clone(), verifier); }

bool is_password(const Secret& password, const PostgresVerifier& verifier, std::string_view user,
                 ScramKeyCache& cache, const ScramLimits& limits) {
  return std::visit(Compare{password, user, cache, limits}, verifier);
}

}  // namespace perilune::auth
