#include "proto/raw/opening.hh"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "event/first_of.hh"
#include "net/connect.hh"
#include "net/dialing.hh"
#include "session/place.hh"
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

event::Task<StreamPtr> reach(session::Session& session, const session::ConnectTo& decision,
                             Millis limit, net::SmallAddress& address) {
  net::Dialing dialing{session.loop()};
  StreamPtr server = co_await dialing.dial(decision.target, decision.addresses, limit);
  address = net::SmallAddress{dialing.address()};
  server->write(session::make_proxy_header(session, decision.send_proxy));
  if (decision.tls.mode == session::ServerTls::Mode::Disable) co_return server;
  session::start_tls(*server, decision, dialing.address());
  co_await net::finish_handshake(*server);
  const std::string problem = session::tls_problem(*server);
  if (!problem.empty()) throw PeerError("TLS with the server failed: " + problem);
  co_return server;
}

// What an attempt came to.
struct Attempt {
  StreamPtr server;  // null: it failed
  std::string reason = "timed out";
  bool refused = false;
};

event::Task<Attempt> try_to_reach(session::Session& session, const session::ConnectTo& decision,
                                  Millis limit, net::SmallAddress& address) {
  Attempt attempt;
  const auto began = Clock::now();
  session.enter(session::Phase::Connect);
  auto reaching = reach(session, decision, limit, address);
  try {
    auto server = co_await event::within(session.loop(), limit, std::move(reaching));
    if (server) {
      attempt.server = *std::move(server);
      session.metrics().connect_seconds.observe(Clock::now() - began);
    }
  } catch (const event::UvError& error) {
    attempt.reason = uv_strerror(error.code());
    attempt.refused = net::is_refusal(error.code());
  } catch (const PeerError& error) {
    attempt.reason = error.what();
  }
  co_return attempt;
}

PeerError cannot_connect(const session::ConnectTo& decision, const std::string& reason) {
  return PeerError(fmt::format("cannot connect to {}: {}", net::text_of(decision.target), reason));
}

event::Task<StreamPtr> connect_to_node(session::Session& session, session::ConnectTo decision) {
  cluster::Attempts attempts = session::make_attempts(session, decision);
  for (;;) {
    session.lease = co_await session::take_place(attempts, decision);
    Attempt attempt = co_await try_to_reach(session, decision, attempts.share(), session.server);
    if (attempt.server) {
      attempts.succeed(session.lease->node());
      co_return std::move(attempt.server);
    }
    session.metrics().connect_errors.add();
    session.server = {};
    const bool more = session::give_up_place(session, attempts, std::move(session.lease),
                                             attempt.reason, attempt.refused);
    if (!more) throw cannot_connect(decision, attempt.reason);
  }
}

void log_connected(const session::Session& session) {
  const log::Logger& logger = session.services().logger;
  if (!logger.shows(log::Level::Debug)) return;
  const std::string name = session.name();
  const std::string server = session.server.expand().text();
  logger.with(name).debug("connected", log::field("server", server));
}

}  // namespace

event::Task<Route> open(session::Session& session, net::Stream& client) {
  Route route;
  if (session.is_over_limit()) {
    session.metrics().connections_rejected.add();
    co_return route;
  }
  if (session.listener().tls) {
    co_await secure(session, client);
  }
  session.allow_half_close();
  session::Decision decision = co_await session.hooks().on_connect();
  if (auto* const fan_out = std::get_if<session::FanOut>(&decision)) {
    route.fanout = std::make_unique<Fanout>(session, client, std::move(*fan_out));
    co_await route.fanout->connect();
    co_return route;
  }
  auto* const target = std::get_if<session::ConnectTo>(&decision);
  if (target == nullptr) {
    note_refusal(session, decision);
    co_return route;
  }
  const std::vector<session::Target> mirror = std::move(target->mirror);
  if (target->cluster) {
    route.server = co_await connect_to_node(session, std::move(*target));
  } else {
    route.server = co_await connect(session, std::move(*target), session.server);
  }
  route.mirror = session::make_mirror(session, mirror);
  log_connected(session);
  co_return route;
}

event::Task<StreamPtr> connect(session::Session& session, session::ConnectTo decision,
                               net::SmallAddress& address) {
  Attempt attempt = co_await try_to_reach(session, decision, decision.connect_timeout, address);
  if (attempt.server) co_return std::move(attempt.server);
  session.metrics().connect_errors.add();
  throw cannot_connect(decision, attempt.reason);
}

}  // namespace perilune::proto::raw
