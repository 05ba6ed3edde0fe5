#include "exchange.hh"

#include <stdexcept>

#include "auth/mysql_methods.hh"

namespace perilune::test {

using auth::MysqlChallenge;

namespace {

template <typename T>
T take(Result<T, auth::AuthError> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return *std::move(result);
}

std::unique_ptr<auth::MysqlLogin> login_of(Method method, std::string_view password) {
  auth::Credentials credentials;
  credentials.password = auth::Secret(password);
  return auth::make_mysql_login(method.plugin, credentials, method.transport);
}

}  // namespace

const auth::RsaKey& shared_rsa_key() {
  static const auth::RsaKey key = auth::RsaKey::generate();
  return key;
}

std::unique_ptr<MysqlChallenge> challenge_of(Method method, const auth::MysqlVerifier& verifier) {
  return auth::make_mysql_challenge(method.plugin, verifier, method.transport, kScramble,
                                    &shared_rsa_key(), "user");
}

Outcome exchange(Method method, const auth::MysqlVerifier& verifier, std::string_view password) {
  const auto challenge = challenge_of(method, verifier);
  const auto login = login_of(method, password);
  Outcome outcome{};
  std::optional<Buffer> answer = take(login->begin(challenge->challenge()));
  for (;;) {
    ++outcome.rounds;
    const auto step = take(challenge->judge(*answer));
    outcome.verdict = step.verdict;
    if (step.more_data) answer = take(login->next(*step.more_data));
    if (step.verdict != MysqlChallenge::Verdict::AsksMore) break;
    if (!answer) throw std::runtime_error("the client has nothing more to say");
  }
  outcome.came_in_clear = challenge->came_in_clear();
  if (outcome.verdict == MysqlChallenge::Verdict::Accepted) {
    outcome.mariadb_hash = challenge->mariadb_password_hash();
    outcome.learnt = challenge->take_learnt();
  }
  return outcome;
}

}  // namespace perilune::test
