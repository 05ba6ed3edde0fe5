#include "proto/raw/opening.hh"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

#include "event/first_of.hh"
#include "net/dialing.hh"
#include "session/proxy_header.hh"
#include "session/server_tls.hh"
#include "util/error.hh"

namespace perilune::proto::raw {

namespace {

using StreamPtr = std::unique_ptr<net::Stream>;

[[noreturn]] void fail_tls(session::Session& session, const std::string& reason) {
  session.metrics().tls_handshakes_failed.add();
  throw PeerError("TLS with the client failed: " + reason);
}

event::Task<> secure(session::Session& session, net::Stream& client) {
  client.start_tls(std::make_unique<net::Tls>(session.listener().tls));
  auto shaking = net::finish_handshake(client);
  const Millis limit = session.handshake_limit();
  const bool in_time = co_await event::within(session.loop(), limit, std::move(shaking));
  const net::Tls& tls = *client.tls();
  // A client may end its side with its first message.
  if (tls.is_open() || tls.state() == net::Tls::State::Closed) co_return;
  if (!in_time) fail_tls(session, "not over within handshake_timeout");
  if (tls.state() == net::Tls::State::Failed) fail_tls(session, tls.error());
  session.metrics().handshakes_aborted.add();
  throw ClientGone("closed the connection before its TLS was open");
}

void note_refusal(session::Session& session, const session::Decision& decision) {
  session.metrics().connections_rejected.add();
  const auto* const refusal = std::get_if<session::Refuse>(&decision);
  const std::string name = session.name();
  session.services().logger.with(name).info(
      "refused", log::field("message", refusal != nullptr ? refusal->message : std::string()));
}

event::Task<StreamPtr> reach(session::Session& session, const session::ConnectTo& decision) {
  net::Dialing dialing{session.loop()};
  StreamPtr server = co_await dialing.dial(decision.target, decision.connect_timeout);
  session.server = net::SmallAddress{dialing.address()};
  server->write(session::make_proxy_header(session, decision.send_proxy));
  if (decision.tls.mode == session::ServerTls::Mode::Disable) co_return server;
  session::start_tls(*server, decision, dialing.address());
  co_await net::finish_handshake(*server);
  const std::string problem = session::tls_problem(*server);
  if (!problem.empty()) throw PeerError("TLS with the server failed: " + problem);
  co_return server;
}

event::Task<StreamPtr> connect(session::Session& session, session::ConnectTo decision) {
  std::optional<StreamPtr> server;
  std::string reason = "timed out";
  auto reaching = reach(session, decision);
  try {
    server = co_await event::within(session.loop(), decision.connect_timeout, std::move(reaching));
  } catch (const event::UvError& error) {
    reason = uv_strerror(error.code());
  } catch (const PeerError& error) {
    reason = error.what();
  }
  if (server) co_return *std::move(server);
  session.metrics().connect_errors.add();
  throw PeerError(
      fmt::format("cannot connect to {}: {}", net::text_of(decision.target), reason));
}

void log_connected(const session::Session& session) {
  const log::Logger& logger = session.services().logger;
  if (!logger.shows(log::Level::Debug)) return;
  const std::string name = session.name();
  const std::string server = session.server.expand().text();
  logger.with(name).debug("connected", log::field("server", server));
}

}  // namespace

event::Task<StreamPtr> open(session::Session& session, net::Stream& client) {
  if (session.is_over_limit()) {
    session.metrics().connections_rejected.add();
    co_return nullptr;
  }
  if (session.listener().tls) {
    co_await secure(session, client);
  }
  session.allow_half_close();
  session::Decision decision = co_await session.hooks().on_connect();
  auto* const target = std::get_if<session::ConnectTo>(&decision);
  if (target == nullptr) {
    note_refusal(session, decision);
    co_return nullptr;
  }
  StreamPtr server = co_await connect(session, std::move(*target));
  log_connected(session);
  co_return server;
}

}  // namespace perilune::proto::raw
