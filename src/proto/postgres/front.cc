#include "proto/postgres/front.hh"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "auth/channel_binding.hh"
#include "auth/secret.hh"
#include "util/scope_exit.hh"
#include "wire/postgres/framing.hh"

namespace perilune::proto::postgres {

namespace wire = perilune::wire::postgres;
namespace sqlstate = wire::sqlstate;

namespace {

// The type of a TLS record that carries a handshake (RFC 8446, 5.1); no StartupMessage begins so.
constexpr std::byte kTlsHandshake{0x16};

BrokenProtocol broken(const std::string& what) {
  return {BrokenProtocol::By::Client, what};
}

bool is_of_login(std::string_view name) noexcept {
  return name == "user" || name == "database" || name.starts_with(wire::kProtocolOption);
}

}  // namespace

Front::Front(session::Session& session, net::Stream& stream)
    : session_(session), channel_(stream, "Client") {
  session_.set_ending(this);
  channel_.stream().set_sensitive(true);
}

Front::~Front() {
  session_.set_ending(nullptr);
  channel_.stream().set_sensitive(false);
}

event::Task<std::optional<wire::CancelRequest>> Front::receive_startup() {
  co_await begin_tls_at_once();
  for (;;) {
    wire::Opening opening = co_await channel_.receive_opening();
    if (auto* const cancel = std::get_if<wire::CancelRequest>(&opening)) {
      co_return std::move(*cancel);
    }
    const bool goes_on = co_await answer_request(opening);
    if (!goes_on) {
      take(std::get<wire::StartupMessage>(std::move(opening)));
      co_return std::nullopt;
    }
  }
}

// "Direct TLS": since PostgreSQL 17, and only with ALPN, so that no other protocol's client can be
// led here.
event::Task<> Front::begin_tls_at_once() {
  const std::byte first = co_await channel_.peek();
  if (first != kTlsHandshake) co_return;
  if (!offers_tls()) throw broken("the client begins with TLS, which the listener has not");
  asked_for_tls_ = true;
  co_await begin_tls();
  if (channel_.stream().tls()->protocol() != wire::kAlpn) {
    throw broken("the client begins with TLS, but not for the protocol \"postgresql\"");
  }
}

event::Task<> Front::begin_tls() {
  channel_.stream().start_tls(std::make_unique<net::Tls>(session_.listener().tls));
  co_await net::finish_handshake(channel_.stream());
  const net::Tls& tls = *channel_.stream().tls();
  if (tls.is_open()) co_return;
  if (tls.state() != net::Tls::State::Failed) throw ClientGone("Client closed the connection");
  throw PeerError("TLS with the client failed: " + tls.error());
}

// False: it is none, but the login itself. Each can be asked for once, as servers have it.
event::Task<bool> Front::answer_request(const wire::Opening& opening) {
  if (std::holds_alternative<wire::GssEncRequest>(opening)) {
    if (std::exchange(asked_for_gss_, true)) throw broken("the client asks for GSS twice");
    refuse_encryption();
    co_return true;
  }
  if (!std::holds_alternative<wire::SslRequest>(opening)) co_return false;
  if (std::exchange(asked_for_tls_, true)) throw broken("the client asks for TLS twice");
  if (!offers_tls()) {
    refuse_encryption();
    co_return true;
  }
  channel_.drop_input();
  channel_.stream().write(std::array{wire::kAcceptEncryption});
  co_await begin_tls();
  co_return true;
}

void Front::refuse_encryption() { channel_.stream().write(std::array{wire::kRefuseEncryption}); }

void Front::take(wire::StartupMessage startup) {
  startup_ = std::move(startup);
  negotiate();
  if (session_.options().tls.required && transport() == auth::Transport::Plain) {
    throw LoginFailure(fatal(sqlstate::kInvalidAuthorization, "the proxy requires TLS",
                             "Connect with sslmode=require."),
                       "the listener requires TLS", &stats::Cells::logins_tls_failed);
  }
  if (startup_.user().empty()) {
    throw LoginFailure(fatal(sqlstate::kInvalidAuthorization,
                             "no PostgreSQL user name specified in startup packet"),
                       "the client names no user", &stats::Cells::logins_malformed);
  }
}

// "NegotiateProtocolVersion": before anything else.
void Front::negotiate() {
  wire::NegotiateProtocolVersion answer;
  answer.version = version();
  for (const wire::Parameter& parameter : startup_.parameters) {
    if (parameter.name.starts_with(wire::kProtocolOption)) {
      answer.unknown_options.push_back(parameter.name);
    }
  }
  if (answer.version == startup_.version && answer.unknown_options.empty()) return;
  Buffer message;
  wire::append_negotiate_protocol_version(message, answer);
  channel_.send(std::move(message));
}

std::uint32_t Front::version() const noexcept { return wire::agreed_version(startup_.version); }

session::Login Front::introduce() {
  session::Login login;
  login.user = startup_.user();
  login.database = startup_.database();
  for (const wire::Parameter& parameter : startup_.parameters) {
    if (!is_of_login(parameter.name))
      login.attributes.emplace_back(parameter.name, parameter.value);
  }
  session_.user = login.user;
  session_.database = login.database;
  return login;
}

auth::Transport Front::transport() const noexcept {
  if (channel_.stream().tls() != nullptr) return auth::Transport::Tls;
  return session_.is_local() ? auth::Transport::Unix : auth::Transport::Plain;
}

Buffer Front::end_point() const {
  const net::Tls* const tls = channel_.stream().tls();
  if (tls == nullptr) return {};
  return auth::tls_server_end_point(tls->server()->certificate()).value_or(Buffer{});
}

bool Front::may_come_in_clear() const noexcept {
  return transport() != auth::Transport::Plain || session_.options().allow_cleartext;
}

void Front::ask(wire::AuthRequest request, Bytes data) {
  Buffer message;
  wire::append_authentication(message, request, data);
  channel_.send(std::move(message));
}

void Front::ask_sasl(const std::vector<std::string_view>& mechanisms) {
  Buffer message;
  wire::append_authentication_sasl(message, mechanisms);
  channel_.send(std::move(message));
}

event::Task<Buffer> Front::receive_answer() {
  Received message = co_await channel_.receive(wire::kMaxAuthMessage);
  if (message.tag == static_cast<std::uint8_t>(wire::FrontendTag::Password)) {
    co_return std::move(message.body);
  }
  auth::wipe(message.body);
  if (message.tag == static_cast<std::uint8_t>(wire::FrontendTag::Terminate)) {
    throw ClientGone("Client gave up its login");
  }
  throw LoginFailure(
      fatal(sqlstate::kProtocolViolation, "expected a password response from the client"),
      "the client sent something else than a password", &stats::Cells::logins_malformed);
}

void Front::send_error(const Fault& fault) {
  Buffer message;
  append_fault(message, fault);
  channel_.send(std::move(message));
}

void Front::say_farewell(session::StopReason reason) {
  if (reason != session::StopReason::Dropped) send_error(farewell(reason));
}

}  // namespace perilune::proto::postgres
