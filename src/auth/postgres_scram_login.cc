#include <algorithm>
#include <string>
#include <utility>

#include "auth/postgres_login.hh"

namespace perilune::auth {

namespace {

Buffer buffer_of(std::string_view text) {
  const Bytes bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

class ScramLogin final : public PostgresLogin {
 public:
  ScramLogin(const PostgresLoginSetup& setup, const ScramClient::Setup& dialogue)
      : known_(clone(setup.credentials)),
        cache_(setup.cache),
        limits_(setup.limits),
        dialogue_(dialogue) {}

  Result<Buffer, AuthError> begin(Bytes) override { return buffer_of(dialogue_.first()); }

  Result<std::optional<Buffer>, AuthError> next(Bytes data) override {
    switch (std::exchange(state_, State::Over)) {
      case State::AwaitsQuestion:
        return answer(as_text(data));
      case State::AwaitsProof:
        if (!dialogue_.verify(as_text(data))) {
          return AuthError{"the server has not shown that it knows the password"};
        }
        complete_ = true;
        return std::optional<Buffer>();
      case State::Over:
        break;
    }
    return AuthError{"the server sent what SCRAM does not have at this point"};
  }

  bool is_complete() const noexcept override { return complete_; }

 private:
  enum class State { AwaitsQuestion, AwaitsProof, Over };

  Result<std::optional<Buffer>, AuthError> answer(std::string_view server_first) {
    const auto question = dialogue_.read(server_first);
    if (!question) return question.error();
    const auto keys = keys_for(*question);
    if (!keys) return keys.error();
    state_ = State::AwaitsProof;
    return std::optional<Buffer>(buffer_of(dialogue_.prove(*keys)));
  }

  Result<ScramKeys, AuthError> keys_for(const ScramClient::Question& question) {
    const auto& scram = known_.scram;
    if (scram && scram->iterations == question.iterations &&
        std::ranges::equal(scram->salt, question.salt)) {
      return scram->clone();
    }
    if (!known_.password) {
      return AuthError{"the server's SCRAM verifier is not the one that the client was checked by"};
    }
    if (!limits_.allow(question.iterations)) {
      return AuthError{"the server wants the password hashed " +
                       std::to_string(question.iterations) + " times, which is not allowed"};
    }
    return cache_.keys(*known_.password, question.salt, question.iterations);
  }

  PostgresCredentials known_;
  ScramKeyCache& cache_;
  ScramLimits limits_;
  ScramClient dialogue_;
  State state_ = State::AwaitsQuestion;
  bool complete_ = false;
};

}  // namespace

MadePostgresLogin make_scram_login(const PostgresLoginSetup& setup, ScramBinding binding) {
  if (!setup.credentials.password && !setup.credentials.scram) {
    return missing_postgres_secret("SCRAM-SHA-256", setup.credentials);
  }
  ScramClient::Setup dialogue;
  dialogue.binding = binding;
  dialogue.end_point = setup.end_point;
  return MadePostgresLogin(std::make_unique<ScramLogin>(setup, dialogue));
}

}  // namespace perilune::auth
