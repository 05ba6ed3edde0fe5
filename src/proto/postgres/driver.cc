#include "proto/postgres/driver.hh"

#include <memory>
#include <utility>

#include "proto/postgres/command_phase.hh"
#include "proto/postgres/login.hh"
#include "proto/postgres/served_phase.hh"

namespace perilune::proto::postgres {

namespace {

// Seldom: kept out of the frame that every session has.
event::Task<> serve_without_server(session::Session& session, net::Stream& client) {
  ServedPhase phase{session, client};
  co_await phase.run();
}

}  // namespace

event::Task<> Driver::serve(session::Session& session, net::Stream& client) const {
  std::unique_ptr<Connection> connection = co_await log_in(session, client);
  if (!connection) co_return;
  if (!connection->server) {
    connection.reset();
    co_await serve_without_server(session, client);
    co_return;
  }
  CommandPhase phase{session, client, std::move(*connection)};
  connection.reset();  // the phase does without its memory
  for (bool more = phase.may_run(); more;) {
    const session::PumpEnd end = co_await phase.pump().run();
    more = co_await phase.go_on(end);
    more = more && phase.may_run();
  }
}

}  // namespace perilune::proto::postgres
