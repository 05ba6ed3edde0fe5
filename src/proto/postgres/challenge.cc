#include "proto/postgres/challenge.hh"

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "auth/postgres_verifier.hh"
#include "auth/secret.hh"
#include "session/ask_client.hh"
#include "wire/postgres/authentication.hh"

namespace perilune::proto::postgres {

namespace wire = perilune::wire::postgres;

namespace {

using auth::PostgresMethod;
using Verdict = auth::PostgresChallenge::Verdict;

auth::PostgresVerifier verifier_of(const std::optional<auth::Secret>& secret) {
  if (!secret) return auth::Nobody{};
  auto verifier = auth::parse_postgres_verifier(as_text(secret->bytes()));
  if (!verifier) throw std::runtime_error(verifier.error().message);
  return *std::move(verifier);
}

bool is_sasl(PostgresMethod method) noexcept { return !auth::sasl_name(method).empty(); }

std::vector<std::string_view> names_of(std::span<const PostgresMethod> methods) {
  std::vector<std::string_view> names;
  for (const PostgresMethod method : methods) names.push_back(auth::sasl_name(method));
  return names;
}

Buffer without_nul(Buffer answer) {
  auto password = wire::decode_password(answer);
  if (!password) {
    auth::wipe(answer);
    throw std::runtime_error(password.error().what);
  }
  const Bytes bytes = as_bytes(*password);
  Buffer stripped(bytes.begin(), bytes.end());
  auth::wipe(answer);
  return stripped;
}

}  // namespace

event::Task<bool> Challenge::verify(std::optional<auth::Secret> secret) {
  auth::PostgresVerifier verifier = verifier_of(secret);
  co_return co_await judge(std::move(verifier));
}

// To read a password is not to find it right: what verify() said stays.
event::Task<auth::Secret> Challenge::read_password() {
  if (!learnt_.password) {
    if (!made_ && !client_.may_come_in_clear()) {
      throw std::runtime_error(
          "the password would come in clear, which needs TLS, a unix socket or allow_cleartext");
    }
    auth::PostgresVerifier any = auth::AnyPassword{};
    const bool got = co_await judge(std::move(any));
    if (!got || !learnt_.password) throw std::runtime_error("the client gave no password");
  }
  co_return learnt_.password->clone();
}

event::Task<bool> Challenge::judge(auth::PostgresVerifier verifier) {
  if (made_) co_return judge_again(verifier);
  event::Task<bool> asking = ask(verifier);
  co_return co_await session::ask_client(session_, clock_, std::move(asking));
}

bool Challenge::judge_again(const auth::PostgresVerifier& verifier) {
  if (!learnt_.password) throw std::runtime_error("the client was already challenged");
  accepted_ = is_right(*learnt_.password, verifier);
  return accepted_;
}

bool Challenge::is_right(const auth::Secret& password, const auth::PostgresVerifier& verifier) {
  return auth::is_password(password, verifier, session_.user.text(), session_.services().scram_keys,
                           auth::ScramLimits{});
}

event::Task<bool> Challenge::ask(const auth::PostgresVerifier& verifier) {
  made_ = true;
  end_point_ = client_.end_point();
  const PostgresMethod method =
      co_await choose(auth::postgres_methods_for(verifier, !end_point_.empty()));
  make_method(method, verifier);
  Buffer answer = co_await first_answer(method);
  for (;;) {
    const auth::PostgresChallenge::Step step = judge_answer(answer);
    auth::wipe(answer);
    accepted_ = step.verdict == Verdict::Accepted;
    if (step.data) {
      client_.ask(accepted_ ? wire::AuthRequest::SaslFinal : wire::AuthRequest::SaslContinue,
                  *step.data);
    }
    if (step.verdict != Verdict::AsksMore) break;
    answer = co_await client_.receive_answer();
  }
  if (accepted_) learnt_ = method_->take_learnt();
  co_return accepted_;
}

auth::PostgresChallenge::Step Challenge::judge_answer(Bytes answer) {
  auto step = method_->judge(answer);
  if (!step) throw std::runtime_error(step.error().message);
  return *std::move(step);
}

// SASL is the client's choice among what is offered.
event::Task<PostgresMethod> Challenge::choose(std::span<const PostgresMethod> methods) {
  if (!is_sasl(methods.front())) co_return methods.front();
  client_.ask_sasl(names_of(methods));
  Buffer answer = co_await client_.receive_answer();
  const auto response = wire::decode_sasl_initial_response(answer);
  if (!response) throw std::runtime_error(response.error().what);
  const auto chosen = auth::chosen_sasl(response->mechanism, methods);
  if (!chosen) throw std::runtime_error("the client chose a mechanism that was not offered");
  has_sasl_data_ = response->has_data;
  sasl_data_.assign(response->data.begin(), response->data.end());
  co_return *chosen;
}

event::Task<Buffer> Challenge::first_answer(PostgresMethod method) {
  if (is_sasl(method)) {
    if (has_sasl_data_) co_return std::move(sasl_data_);
    client_.ask(wire::AuthRequest::SaslContinue);
    co_return co_await client_.receive_answer();
  }
  const bool by_md5 = method == PostgresMethod::Md5Password;
  client_.ask(by_md5 ? wire::AuthRequest::Md5Password : wire::AuthRequest::CleartextPassword,
              method_->salt());
  Buffer answer = co_await client_.receive_answer();
  co_return without_nul(std::move(answer));
}

void Challenge::make_method(PostgresMethod method, const auth::PostgresVerifier& verifier) {
  const std::string user{session_.user.text()};
  method_ = auth::make_postgres_challenge(
      method, {verifier, user, session_.services().scram_keys, {}, end_point_});
  if (!method_) {
    throw std::runtime_error(std::string(auth::describe(method)) + " cannot judge by this secret");
  }
}

}  // namespace perilune::proto::postgres
