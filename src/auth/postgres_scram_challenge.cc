#include <algorithm>
#include <array>
#include <utility>

#include "auth/postgres_challenge.hh"
#include "auth/random.hh"
#include "auth/scram.hh"

namespace perilune::auth {

namespace {

using Step = PostgresChallenge::Step;
using Verdict = PostgresChallenge::Verdict;

const Sha256& process_secret() {
  static const Sha256 secret = [] {
    Sha256 bytes;
    fill_random(bytes);
    return bytes;
  }();
  return secret;
}

// Of no password.
ScramVerifier made_up_verifier(std::string_view user) {
  ScramVerifier verifier;
  verifier.salt = made_up_scram_salt(user);
  verifier.stored_key = hmac_sha256(process_secret(), as_bytes("stored key"));
  verifier.server_key = hmac_sha256(process_secret(), as_bytes("server key"));
  return verifier;
}

Buffer buffer_of(std::string_view text) {
  const Bytes bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

// What is compared with, and what is known besides.
struct Basis {
  ScramVerifier verifier;
  std::optional<Secret> password;
  bool exists = true;
};

class ScramChallenge final : public PostgresChallenge {
 public:
  ScramChallenge(Basis basis, Bytes end_point, bool is_plus)
      : basis_(std::move(basis)), dialogue_({basis_.verifier, end_point, is_plus}) {}

  Buffer salt() const override { return {}; }

  Result<Step, AuthError> judge(Bytes answer) override {
    switch (std::exchange(state_, State::Over)) {
      case State::AwaitsFirst:
        return begin(as_text(answer));
      case State::AwaitsProof:
        return finish(as_text(answer));
      case State::Over:
        break;
    }
    return AuthError{"the client sent what SCRAM does not have at this point"};
  }

  PostgresCredentials take_learnt() override { return std::move(learnt_); }

 private:
  enum class State { AwaitsFirst, AwaitsProof, Over };

  Result<Step, AuthError> begin(std::string_view client_first) {
    const auto server_first = dialogue_.begin(client_first);
    if (!server_first) return server_first.error();
    state_ = State::AwaitsProof;
    return Step{Verdict::AsksMore, buffer_of(*server_first)};
  }

  Result<Step, AuthError> finish(std::string_view client_final) {
    auto outcome = dialogue_.judge(client_final);
    if (!outcome) return outcome.error();
    if (!outcome->is_right || !basis_.exists) return Step{};
    learn(std::move(outcome->client_key));
    return Step{Verdict::Accepted, buffer_of(outcome->server_final)};
  }

  void learn(Secret client_key) {
    learnt_.password = std::move(basis_.password);
    const ScramVerifier& verifier = basis_.verifier;
    learnt_.scram = ScramKeys{std::move(client_key), Secret(Bytes(verifier.server_key)),
                              verifier.salt, verifier.iterations};
  }

  Basis basis_;
  ScramServer dialogue_;
  PostgresCredentials learnt_;
  State state_ = State::AwaitsFirst;
};

Basis basis_of(const ClearPassword& clear, const PostgresChallengeSetup& setup) {
  const ScramKeys keys =
      setup.cache.keys(clear.password, made_up_scram_salt(setup.user), kScramIterations);
  return {make_scram_verifier(keys), clear.password.clone(), /*exists=*/true};
}

}  // namespace

Buffer made_up_scram_salt(std::string_view user) {
  const Sha256 digest = hmac_sha256(process_secret(), as_bytes(user));
  return {digest.begin(), digest.begin() + kScramSaltSize};
}

std::unique_ptr<PostgresChallenge> make_scram_challenge(const PostgresChallengeSetup& setup,
                                                        bool is_plus) {
  Basis basis;
  if (const auto* verifier = std::get_if<ScramVerifier>(&setup.verifier)) {
    basis.verifier = *verifier;
  } else if (const auto* clear = std::get_if<ClearPassword>(&setup.verifier)) {
    basis = basis_of(*clear, setup);
  } else if (std::holds_alternative<Nobody>(setup.verifier)) {
    basis = {made_up_verifier(setup.user), std::nullopt, /*exists=*/false};
  } else {
    return nullptr;
  }
  return std::make_unique<ScramChallenge>(std::move(basis), setup.end_point, is_plus);
}

}  // namespace perilune::auth
