#include "proto/mysql/back.hh"

#include <fmt/format.h>

#include <utility>

#include "event/first_of.hh"
#include "net/connect.hh"
#include "proto/mysql/errors.hh"
#include "session/server_tls.hh"
#include "wire/mysql/reply.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;

namespace {

constexpr std::size_t kGreetingLimit = 4096;
constexpr std::size_t kReplyLimit = 64 * 1024;

LoginFailure connection_failure(const std::string& target, const std::string& reason) {
  return LoginFailure(handshake_err("Connection error: " + reason),
                      fmt::format("cannot connect to {}: {}", target, reason),
                      &stats::Cells::logins_unreachable);
}

LoginFailure tls_failure(const std::string& reason) {
  return LoginFailure(handshake_err("TLS with the server failed"),
                      "TLS with the server failed: " + reason);
}

}  // namespace

Back::Back(session::Session& session, net::SmallAddress& server)
    : Back(BackServices{session.loop(), session.services().background, &session.metrics(),
                        session.listener().open},
           server) {}

Back::Back(BackServices services, net::SmallAddress& server)
    : services_(std::move(services)), server_(server), dialing_(services_.loop) {}

Back::~Back() {
  auto& background = services_.background;
  event::Loop& loop = services_.loop;
  if (auto attempt = dialing_.take_attempt()) {
    background.spawn(break_off(loop, std::move(*attempt), std::move(proxy_header_), hold_place()));
  } else if (stream_ && !over_) {
    if (point_.sequence != 0) point_.sequence = channel_->sequence();
    background.spawn(break_off(loop, std::move(stream_), std::move(point_), hold_place()));
  }
}

HeldPlace Back::hold_place() const {
  return services_.places ? HeldPlace{services_.places} : HeldPlace{};
}

event::Task<> Back::open(const session::ConnectTo& decision, Millis limit) {
  const std::string name = net::text_of(decision.target);
  const auto began = Clock::now();
  auto opening = open_any(decision.target, decision.addresses, limit);
  bool in_time = false;
  try {
    in_time = co_await event::within(services_.loop, limit, std::move(opening));
  } catch (const event::UvError& e) {
    problem_ = uv_strerror(e.code());
    refused_ = net::is_refusal(e.code());
  }
  if (!in_time) dialing_.give_up();
  if (problem_.empty() && !in_time) problem_ = stream_ ? "the server is silent" : "timed out";
  stats::Cells* const metrics = services_.metrics;
  if (problem_.empty()) {
    if (metrics != nullptr) metrics->connect_seconds.observe(Clock::now() - began);
    co_return;
  }
  if (metrics != nullptr) metrics->connect_errors.add();
  throw connection_failure(name, problem_);
}

event::Task<> Back::open_any(session::Target target, std::vector<net::Address> known,
                             Millis limit) {
  stream_ = co_await dialing_.dial(std::move(target), std::move(known), limit);
  stream_->set_sensitive(true);
  stream_->write(proxy_header_);
  channel_.emplace(*stream_, "Server");
  server_ = net::SmallAddress{dialing_.address()};
  co_await receive_greeting();
}

event::Task<> Back::receive_greeting() {
  const Buffer payload = co_await channel_->receive(kGreetingLimit);
  if (wire::is_err(payload)) {
    over_ = true;
    auto err = wire::decode_err(payload);
    if (!err) throw LoginFailure(handshake_err("Malformed packet from server"), err.error().what);
    throw LoginFailure(*err, fmt::format("{} refuses connections: {} {}",
                                         server_.expand().text(), err->code, err->message),
                       &stats::Cells::logins_denied);
  }
  auto greeting = wire::decode_greeting(payload);
  if (!greeting) {
    over_ = true;  // whatever this is, it does not count handshakes
    if (services_.metrics != nullptr) services_.metrics->server_malformed.add();
    throw LoginFailure(handshake_err("Malformed packet from server"),
                       fmt::format("malformed greeting of {}: {}", server_.expand().text(),
                                   greeting.error().what));
  }
  greeting_ = std::move(*greeting);
  point_.sequence = channel_->sequence();
}

event::Task<> Back::secure(wire::HandshakeResponse& response, const session::ConnectTo& decision) {
  using Mode = session::ServerTls::Mode;
  const session::ServerTls& tls = decision.tls;
  const bool offered = (greeting_.capabilities & wire::capability::kSsl) != 0;
  if (tls.mode == Mode::Disable || (tls.mode == Mode::Prefer && !offered)) co_return;
  if (!offered) {
    throw LoginFailure(handshake_err("The server does not support TLS"),
                       "TLS is required, and the server has none");
  }
  Buffer request;
  response.capabilities |= wire::capability::kSsl;
  wire::append_ssl_request(
      request, {response.capabilities, response.max_packet_size, response.character_set});
  channel_->send(request);
  session::start_tls(*stream_, decision, dialing_.address());
  auto shaking = shake_hands();
  const bool in_time =
      co_await event::within(services_.loop, decision.connect_timeout, std::move(shaking));
  if (!in_time) throw tls_failure("the server is silent");
}

event::Task<> Back::shake_hands() {
  co_await net::finish_handshake(*stream_);
  over_ = !stream_->tls()->is_open();
  const std::string problem = session::tls_problem(*stream_);
  if (!problem.empty()) throw tls_failure(problem);
}

auth::Transport Back::transport() const noexcept {
  if (stream_->tls() != nullptr) return auth::Transport::Tls;
  return server_.is_unix() ? auth::Transport::Unix : auth::Transport::Plain;
}

void Back::log_in(const wire::HandshakeResponse& response) {
  Buffer payload;
  wire::append_handshake_response(payload, response);
  channel_->send(payload);
  auth::wipe(payload);
  point_.has_begun = true;
}

void Back::change_user(std::unique_ptr<net::Stream> stream, const wire::ChangeUser& request,
                       std::uint64_t capabilities) {
  stream_ = std::move(stream);
  stream_->set_sensitive(true);
  channel_.emplace(*stream_, "Server");
  Buffer payload;
  wire::append_change_user(payload, request, capabilities);
  channel_->send(payload);
  point_.sequence = channel_->sequence();
  point_.has_begun = true;
}

event::Task<> Back::be_refused() {
  while (!over_) {
    const auto answer = unwilling_answer(point_.asked);
    if (answer) send(*answer);
    co_await receive();
  }
  if (!wire::is_err(point_.asked)) throw PeerError("the server let in who gave no answer");
}

std::unique_ptr<net::Stream> Back::take() noexcept {
  stream_->set_sensitive(false);
  return std::move(stream_);
}

void Back::send(Bytes payload) {
  point_.asked.clear();
  channel_->send(payload);
}

event::Task<Buffer> Back::receive() {
  Buffer payload = co_await channel_->receive(kReplyLimit);
  over_ = is_verdict(payload);
  point_.asked = payload;
  co_return payload;
}

}  // namespace perilune::proto::mysql
