#pragma once

// PostgreSQL's ways to log in, as tables: what a server asks, and what is done about it on either
// side.

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "auth/postgres_challenge.hh"
#include "auth/postgres_login.hh"

namespace perilune::auth {

enum class PostgresMethod { ClearText, Md5Password, ScramSha256, ScramSha256Plus };

// SASL's name, empty for what is none; for messages to people, all have one.
std::string_view sasl_name(PostgresMethod method) noexcept;
std::string_view describe(PostgresMethod method) noexcept;

// Of the SASL mechanisms that a server offers, the one to use; null: none. can_bind: the server's
// certificate is known, and has a hash.
std::optional<PostgresMethod> choose_sasl(std::span<const std::string_view> offered,
                                          bool can_bind) noexcept;

// The method that the client chose of those which we offered; null: it is not one of them.
std::optional<PostgresMethod> chosen_sasl(std::string_view mechanism,
                                          std::span<const PostgresMethod> offered) noexcept;

// An AuthError says what is missing.
Result<std::unique_ptr<PostgresLogin>, AuthError> make_postgres_login(
    PostgresMethod method, const PostgresLoginSetup& setup);

// The methods by which a verifier can be checked: one, or SASL's, the best first. can_bind: the
// listener's certificate is known, and has a hash.
std::span<const PostgresMethod> postgres_methods_for(const PostgresVerifier& verifier,
                                                     bool can_bind) noexcept;

// Null: this method cannot judge by that verifier.
std::unique_ptr<PostgresChallenge> make_postgres_challenge(PostgresMethod method,
                                                           const PostgresChallengeSetup& setup);

}  // namespace perilune::auth
