#include "proto/postgres/cancel.hh"

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "event/first_of.hh"
#include "proto/postgres/back.hh"
#include "session/directory.hh"
#include "session/proxy_header.hh"
#include "session/server_tls.hh"

namespace perilune::proto::postgres {

namespace wire = perilune::wire::postgres;

namespace {

// For all that happens at the server.
constexpr Millis kLimit{10000};

session::ConnectTo way_to(const session::CancelTarget& target) {
  session::ConnectTo decision;
  decision.target = target.server;
  decision.connect_timeout = target.connect_timeout;
  decision.tls = session::make_server_tls(target.tls);
  return decision;
}

event::Task<> cancel_at(session::Session& session, const session::CancelTarget& target) {
  net::SmallAddress address;
  Back server{session.loop(), nullptr, address};
  server.announce(session::make_proxy_header(session, target.send_proxy));
  const session::ConnectTo decision = way_to(target);
  co_await server.open(decision, decision.connect_timeout);
  Buffer message;
  wire::append_cancel_request(message, {target.process_id, target.key});
  server.send(std::move(message));
  net::Stream& stream = server.stream();
  bool more = true;
  while (more) {
    stream.consume(stream.input().size());
    more = co_await stream.fill();
  }
}

event::Task<std::optional<session::CancelTarget>> find(session::Session& session,
                                                       const wire::CancelRequest& request) {
  session::Directory* const directory = session.services().directory;
  if (directory == nullptr) co_return std::nullopt;
  co_return co_await directory->cancel_target(request.process_id, request.key);
}

void log_failure(const session::Session& session, const session::CancelTarget& target,
                 const std::string& reason) {
  const std::string name = session.name();
  session.services().logger.with(name).warning("a cancel request did not reach its server",
                                               log::field("server", target.server.text()),
                                               log::field("reason", reason));
}

}  // namespace

event::Task<> pass_cancel(session::Session& session, const wire::CancelRequest& request) {
  const auto target = co_await find(session, request);
  stats::Cells& metrics = session.metrics();
  (target ? metrics.cancels_passed : metrics.cancels_ignored).add();
  if (!target) co_return;
  session.enter(session::Phase::Connect);
  std::string problem = "timed out";
  auto cancelling = cancel_at(session, *target);
  try {
    const bool in_time = co_await event::within(session.loop(), kLimit, std::move(cancelling));
    if (in_time) problem.clear();
  } catch (const std::exception& error) {
    problem = error.what();
  }
  if (!problem.empty()) log_failure(session, *target, problem);
}

}  // namespace perilune::proto::postgres
