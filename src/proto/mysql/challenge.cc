#include "proto/mysql/challenge.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "proto/mysql/methods.hh"
#include "session/ask_client.hh"
#include "session/rsa_key_source.hh"
#include "util/error.hh"

namespace perilune::proto::mysql {

namespace {

using Verdict = auth::MysqlChallenge::Verdict;

// The first with caching_sha2_password, of MySQL's own client library.
constexpr std::array<int, 3> kFirstWithCachingSha2{5, 7, 23};

auth::MysqlVerifier verifier_of(const std::optional<auth::Secret>& secret) {
  if (!secret) return auth::Nobody{};
  auto verifier = auth::parse_mysql_verifier(as_text(secret->bytes()));
  if (!verifier) throw std::runtime_error(verifier.error().message);
  return *std::move(verifier);
}

std::array<int, 3> parse_version(std::string_view text) noexcept {
  std::array<int, 3> version{};
  for (int& part : version) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), part);
    if (error != std::errc{}) break;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (!text.empty()) text.remove_prefix(1);
  }
  return version;
}

bool wants_rsa_key(std::string_view plugin) noexcept {
  return plugin == kCachingSha2Password || plugin == kSha256Password;
}

}  // namespace

event::Task<bool> Challenge::verify(std::optional<auth::Secret> secret) {
  auth::MysqlVerifier verifier = verifier_of(secret);
  co_return co_await judge(std::move(verifier));
}

// To read a password is not to find it right: what verify() said stays.
event::Task<auth::Secret> Challenge::read_password() {
  if (offered_) learnt_.password = std::exchange(offered_, std::nullopt);
  if (!learnt_.password) {
    auth::MysqlVerifier any = auth::AnyPassword{};
    const bool got = co_await judge(std::move(any));
    if (!got || !learnt_.password) throw std::runtime_error("the client gave no password");
  }
  co_return learnt_.password->clone();
}

event::Task<bool> Challenge::judge(auth::MysqlVerifier verifier) {
  if (was_made()) co_return judge_again(verifier);
  event::Task<bool> asking = ask(verifier);
  co_return co_await session::ask_client(session_, clock_, std::move(asking));
}

bool Challenge::judge_again(const auth::MysqlVerifier& verifier) {
  const auto& known = learnt_.password ? learnt_.password : offered_;
  if (known) {
    accepted_ = auth::is_password(*known, verifier);
    if (accepted_ && offered_) learnt_.password = std::exchange(offered_, std::nullopt);
    return accepted_;
  }
  if (method_->plugin() != kNativePassword || !client_.answered_by(kNativePassword)) {
    throw std::runtime_error("the client was already challenged");
  }
  auto again = method_for(kNativePassword, verifier);
  if (!again) throw std::runtime_error("the client was already challenged");
  method_ = std::move(again);
  accepted_ = false;
  const auto step = method_->judge(client_.response().auth_answer);
  return step && take(*step);
}

event::Task<bool> Challenge::ask(const auth::MysqlVerifier& verifier) {
  co_await make_method(verifier);
  Buffer answer;
  if (client_.answered_by(method_->plugin())) {
    answer = client_.response().auth_answer;
  } else {
    client_.switch_method(method_->plugin(), method_->challenge());
    answer = co_await client_.receive_answer();
  }
  for (;;) {
    const auto step = method_->judge(answer);
    auth::wipe(answer);
    if (!step) throw std::runtime_error(step.error().message);
    if (step->more_data) client_.send_more(*step->more_data, step->bare);
    if (step->verdict != Verdict::AsksMore) co_return take(*step);
    answer = co_await client_.receive_answer();
  }
}

bool Challenge::take(const auth::MysqlChallenge::Step& step) {
  accepted_ = step.verdict == Verdict::Accepted;
  if (accepted_) {
    learnt_ = method_->take_learnt();
  } else {
    offered_ = method_->take_offered();
  }
  return accepted_;
}

event::Task<> Challenge::make_method(const auth::MysqlVerifier& verifier) {
  const std::string_view plugin = choose(verifier);
  // Over a unix socket too: sha256_password needs it there, and some connectors ask for it anyway.
  if (wants_rsa_key(plugin) && client_.transport() != auth::Transport::Tls) {
    clock_.pause();  // it is not the client that takes this time
    rsa_key_ = co_await session::RsaKeySource::key(session_.listener().rsa_key, session_.loop());
    clock_.resume();
  }
  method_ = method_for(plugin, verifier);
  if (!method_) {
    throw std::runtime_error(fmt::format("{} cannot judge by this secret", plugin));
  }
}

std::unique_ptr<auth::MysqlChallenge> Challenge::method_for(
    std::string_view plugin, const auth::MysqlVerifier& verifier) const {
  return auth::make_mysql_challenge(plugin, verifier, client_.transport(), client_.scramble(),
                                    rsa_key_.get(), client_.response().user);
}

bool Challenge::may_come_in_clear() const noexcept {
  return client_.transport() != auth::Transport::Plain || session_.options().allow_cleartext;
}

// What the client has answered by already, else its own choice, else the best that it may know.
std::string_view Challenge::choose(const auth::MysqlVerifier& verifier) const {
  const auto plugins = auth::mysql_plugins_for(
      verifier, may_come_in_clear() ? auth::Transport::Tls : auth::Transport::Plain);
  const std::string_view own = client_.own_plugin();
  const auto found = std::ranges::find(plugins, own);
  if (found != plugins.end()) return *found;
  if (client_.can_switch()) {
    const auto known = std::ranges::find_if(plugins, [this](auto plugin) { return knows(plugin); });
    if (known != plugins.end()) return *known;
  }
  throw std::runtime_error(
      fmt::format("the client's method \"{}\" cannot tell whether it knows this secret", own));
}

bool Challenge::knows(std::string_view plugin) const {
  if (plugin != kCachingSha2Password && plugin != kSha256Password) return true;
  if (!client_.is_mysql_library()) return true;
  return parse_version(client_.attribute("_client_version")) >= kFirstWithCachingSha2;
}

std::optional<auth::Secret> Challenge::password_hash() const {
  return accepted_ ? method_->mariadb_password_hash() : std::nullopt;
}

}  // namespace perilune::proto::mysql
