#include "proto/postgres/back.hh"

#include <fmt/format.h>

#include <utility>

#include "auth/channel_binding.hh"
#include "event/first_of.hh"
#include "event/handle.hh"
#include "net/connect.hh"
#include "proto/postgres/errors.hh"
#include "session/server_tls.hh"
#include "wire/postgres/framing.hh"
#include "wire/postgres/notice.hh"

namespace perilune::proto::postgres {

namespace wire = perilune::wire::postgres;
namespace sqlstate = wire::sqlstate;

namespace {

LoginFailure connection_failure(const std::string& target, const std::string& reason) {
  return {fatal(sqlstate::kConnectionFailure, "connection error: " + reason),
          fmt::format("cannot connect to {}: {}", target, reason),
          &stats::Cells::logins_unreachable};
}

LoginFailure tls_failure(const std::string& reason) {
  return {fatal(sqlstate::kConnectionFailure, "TLS with the server failed"),
          "TLS with the server failed: " + reason};
}

// The server is there, and for the moment cannot or may not take anybody (errcodes: 53300, class
// 57P): another node may.
bool may_try_elsewhere(Bytes body) noexcept {
  const auto notice = wire::decode_notice(body);
  return notice && (notice->sql_state == sqlstate::kTooManyConnections ||
                    notice->sql_state.starts_with("57P"));
}

bool is_tag(const Received& message, wire::BackendTag tag) noexcept {
  return message.tag == static_cast<std::uint8_t>(tag);
}

}  // namespace

Back::Back(event::Loop& loop, stats::Cells* metrics, net::SmallAddress& server)
    : loop_(loop), metrics_(metrics), server_(server), dialing_(loop) {}

event::Task<> Back::open(const session::ConnectTo& decision, const wire::StartupMessage& login,
                         Millis limit) {
  auto opening = reach_and_begin(decision, login, limit);
  co_await open_within(std::move(opening), decision, limit);
}

event::Task<> Back::open(const session::ConnectTo& decision, Millis limit) {
  auto opening = reach(decision, limit);
  co_await open_within(std::move(opening), decision, limit);
}

event::Task<> Back::open_within(event::Task<> opening, const session::ConnectTo& decision,
                                Millis limit) {
  const auto began = Clock::now();
  bool in_time = false;
  try {
    in_time = co_await event::within(loop_, limit, std::move(opening));
  } catch (const event::UvError& e) {
    problem_ = uv_strerror(e.code());
    refused_ = net::is_refusal(e.code());
  }
  if (!in_time) dialing_.give_up();
  if (problem_.empty() && !in_time) problem_ = stream_ ? "the server is silent" : "timed out";
  if (problem_.empty()) {
    if (metrics_ != nullptr) metrics_->connect_seconds.observe(Clock::now() - began);
    co_return;
  }
  if (metrics_ != nullptr) metrics_->connect_errors.add();
  throw connection_failure(net::text_of(decision.target), problem_);
}

event::Task<> Back::reach(const session::ConnectTo& decision, Millis limit) {
  stream_ = co_await dialing_.dial(decision.target, decision.addresses, limit);
  stream_->set_sensitive(true);
  stream_->write(proxy_header_);
  channel_.emplace(*stream_, "Server");
  server_ = net::SmallAddress{dialing_.address()};
  co_await secure(decision);
}

event::Task<> Back::reach_and_begin(const session::ConnectTo& decision,
                                    const wire::StartupMessage& login, Millis limit) {
  co_await reach(decision, limit);
  Buffer message;
  wire::append_startup_message(message, login);
  channel_->send(std::move(message));
  co_await receive_first_word();
}

// "SSLRequest". What a server has sent in clear behind its yes would be somebody else's.
event::Task<> Back::secure(const session::ConnectTo& decision) {
  using Mode = session::ServerTls::Mode;
  if (decision.tls.mode == Mode::Disable) co_return;
  Buffer request;
  wire::append_ssl_request(request);
  channel_->send(std::move(request));
  const std::byte answer = co_await channel_->receive_answer();
  if (answer == wire::kRefuseEncryption && decision.tls.mode == Mode::Prefer) co_return;
  if (answer == wire::kRefuseEncryption) {
    throw LoginFailure(fatal(sqlstate::kConnectionFailure, "the server does not support TLS"),
                       "TLS is required, and the server has none");
  }
  if (answer != wire::kAcceptEncryption) throw tls_failure("the server answers with an error");
  if (!stream_->input().empty()) throw tls_failure("the server sent data in clear before it began");
  session::start_tls(*stream_, decision, dialing_.address());
  co_await net::finish_handshake(*stream_);
  const std::string problem = session::tls_problem(*stream_);
  if (!problem.empty()) throw tls_failure(problem);
  shows_certificate_ = !decision.tls.client->options().cert.empty();
}

// A server of an older version says so before it asks.
event::Task<> Back::receive_first_word() {
  Received message = co_await receive_message();
  while (is_tag(message, wire::BackendTag::NegotiateProtocolVersion)) {
    message = co_await receive_message();
  }
  const bool is_error = is_tag(message, wire::BackendTag::ErrorResponse);
  if (is_error && may_try_elsewhere(message.body)) throw server_refusal(message.body);
  first_ = std::move(message);
}

event::Task<Received> Back::receive() {
  if (first_) co_return *std::exchange(first_, std::nullopt);
  co_return co_await receive_message();
}

event::Task<Received> Back::receive_message() {
  try {
    co_return co_await channel_->receive(wire::kMaxAuthMessage);
  } catch (const BrokenProtocol&) {
    if (metrics_ != nullptr) metrics_->server_malformed.add();
    throw;
  }
}

auth::Transport Back::transport() const noexcept {
  if (stream_->tls() != nullptr) return auth::Transport::Tls;
  return server_.is_unix() ? auth::Transport::Unix : auth::Transport::Plain;
}

Buffer Back::end_point() const {
  if (stream_->tls() == nullptr) return {};
  return auth::tls_server_end_point(stream_->tls()->peer_certificate()).value_or(Buffer{});
}

bool Back::may_know_us() const noexcept { return server_.is_unix() || shows_certificate_; }

std::unique_ptr<net::Stream> Back::take() noexcept {
  stream_->set_sensitive(false);
  return std::move(stream_);
}

}  // namespace perilune::proto::postgres
