#include "auth/mysql_password_exchange.hh"

#include <utility>

#include "auth/mysql_clear.hh"
#include "auth/mysql_rsa.hh"

namespace perilune::auth {

using Step = MysqlChallenge::Step;

Result<Step, AuthError> MysqlPasswordExchange::judge(Bytes answer) {
  if (done_) return unexpected_answer(options_.plugin);
  const bool asks_key = answer.size() == 1 && answer.front() == options_.key_request;
  if (asks_key && rsa_key_ != nullptr && !std::exchange(key_sent_, true)) {
    const Bytes pem = as_bytes(rsa_key_->public_pem());
    return asks_more(Buffer(pem.begin(), pem.end()));
  }
  done_ = true;
  if (is_cipher(answer)) return judge_password(decrypt_password(answer, scramble_, *rsa_key_));
  return judge_clear(answer);
}

// A client that has the key in a file encrypts without asking for it.
bool MysqlPasswordExchange::is_cipher(Bytes answer) const noexcept {
  return rsa_key_ != nullptr && (key_sent_ || !options_.safe_transport) &&
         answer.size() == rsa_key_->cipher_size();
}

Result<Step, AuthError> MysqlPasswordExchange::judge_clear(Bytes answer) {
  auto password = key_sent_ ? std::nullopt : read_clear_answer(answer);
  const bool fits = !plain_ || rsa_key_ == nullptr || answer.size() < rsa_key_->cipher_size();
  if (!password || !fits) return unexpected_answer(options_.plugin);
  came_in_clear_ = plain_;
  return judge_password(std::move(password));
}

Step MysqlPasswordExchange::judge_empty() {
  done_ = true;
  const auto* clear = std::get_if<ClearPassword>(&verifier_);
  const bool right =
      clear != nullptr ? clear->password.empty() : std::holds_alternative<AnyPassword>(verifier_);
  if (!right) {
    offered_ = Secret();
    return refused();
  }
  password_ = Secret();
  return accepted();
}

// Null: what was encrypted was no text.
Step MysqlPasswordExchange::judge_password(std::optional<Secret> password) {
  const bool proper = password.has_value();
  if (!proper) password = Secret();
  const bool right = is_password(*password, verifier_) && proper;
  if (!right) {
    if (compares_cheaply(verifier_)) spend_a_comparison(*password);
    if (proper) offered_ = std::move(password);
    return refused();
  }
  password_ = std::move(password);
  return accepted();
}

bool compares_cheaply(const MysqlVerifier& verifier) noexcept {
  return !std::holds_alternative<CachingSha2Hash>(verifier) &&
         !std::holds_alternative<Nobody>(verifier);
}

}  // namespace perilune::auth
