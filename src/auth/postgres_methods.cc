#include "auth/postgres_methods.hh"

#include <algorithm>
#include <array>

namespace perilune::auth {

namespace {

ScramBinding unbound(const PostgresLoginSetup& setup) noexcept {
  return setup.end_point.empty() ? ScramBinding::None : ScramBinding::Unoffered;
}

MadePostgresLogin make_unbound(const PostgresLoginSetup& setup) {
  return make_scram_login(setup, unbound(setup));
}

MadePostgresLogin make_bound(const PostgresLoginSetup& setup) {
  if (setup.end_point.empty()) return AuthError{"there is no TLS channel to bind to"};
  return make_scram_login(setup, ScramBinding::EndPoint);
}

std::unique_ptr<PostgresChallenge> judge_unbound(const PostgresChallengeSetup& setup) {
  return make_scram_challenge(setup, /*is_plus=*/false);
}

std::unique_ptr<PostgresChallenge> judge_bound(const PostgresChallengeSetup& setup) {
  return setup.end_point.empty() ? nullptr : make_scram_challenge(setup, /*is_plus=*/true);
}

struct Method {
  PostgresMethod method;
  std::string_view sasl_name;
  std::string_view description;
  MadePostgresLogin (*log_in)(const PostgresLoginSetup&);
  std::unique_ptr<PostgresChallenge> (*challenge)(const PostgresChallengeSetup&);
};

// In the order of PostgresMethod.
constexpr Method kMethods[] = {
    {PostgresMethod::ClearText, "", "password", make_clear_text_login, make_clear_text_challenge},
    {PostgresMethod::Md5Password, "", "md5", make_md5_login, make_md5_challenge},
    {PostgresMethod::ScramSha256, "SCRAM-SHA-256", "SCRAM-SHA-256", make_unbound, judge_unbound},
    {PostgresMethod::ScramSha256Plus, "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256-PLUS", make_bound,
     judge_bound},
};

const Method& row_of(PostgresMethod method) noexcept {
  return *std::ranges::find(kMethods, method, &Method::method);
}

constexpr std::array kClearText = {PostgresMethod::ClearText};
constexpr std::array kMd5 = {PostgresMethod::Md5Password};
constexpr std::array kScram = {PostgresMethod::ScramSha256Plus, PostgresMethod::ScramSha256};

struct MethodsFor {
  using List = std::span<const PostgresMethod>;
  bool can_bind;

  List operator()(const ClearPassword&) const noexcept { return scram(); }
  List operator()(const PostgresMd5Hash&) const noexcept { return kMd5; }
  List operator()(const ScramVerifier&) const noexcept { return scram(); }
  List operator()(const AnyPassword&) const noexcept { return kClearText; }
  List operator()(const Nobody&) const noexcept { return scram(); }

  List scram() const noexcept { return can_bind ? List(kScram) : List(kScram).last(1); }
};

}  // namespace

std::string_view sasl_name(PostgresMethod method) noexcept { return row_of(method).sasl_name; }

std::string_view describe(PostgresMethod method) noexcept { return row_of(method).description; }

std::optional<PostgresMethod> choose_sasl(std::span<const std::string_view> offered,
                                          bool can_bind) noexcept {
  for (const PostgresMethod method : MethodsFor{can_bind}.scram()) {
    if (std::ranges::find(offered, sasl_name(method)) != offered.end()) return method;
  }
  return std::nullopt;
}

std::optional<PostgresMethod> chosen_sasl(std::string_view mechanism,
                                          std::span<const PostgresMethod> offered) noexcept {
  const auto chosen = std::ranges::find(offered, mechanism, sasl_name);
  if (mechanism.empty() || chosen == offered.end()) return std::nullopt;
  return *chosen;
}

MadePostgresLogin make_postgres_login(PostgresMethod method, const PostgresLoginSetup& setup) {
  return row_of(method).log_in(setup);
}

std::span<const PostgresMethod> postgres_methods_for(const PostgresVerifier& verifier,
                                                     bool can_bind) noexcept {
  return std::visit(MethodsFor{can_bind}, verifier);
}

std::unique_ptr<PostgresChallenge> make_postgres_challenge(PostgresMethod method,
                                                           const PostgresChallengeSetup& setup) {
  return row_of(method).challenge(setup);
}

}  // namespace perilune::auth
