#include "proto/mysql/driver.hh"

#include <memory>
#include <utility>

#include "proto/mysql/command_phase.hh"
#include "proto/mysql/login.hh"
#include "proto/mysql/served_phase.hh"

namespace perilune::proto::mysql {

namespace {

// Seldom: kept out of the frame that every session has.
event::Task<std::unique_ptr<Connection>> serve_without_server(session::Session& session,
                                                              net::Stream& client,
                                                              std::unique_ptr<Connection> login) {
  ServedPhase phase{session, client, std::move(*login)};
  co_await phase.run();
  co_return phase.take_next();
}

}  // namespace

event::Task<> Driver::serve(session::Session& session, net::Stream& client) const {
  std::unique_ptr<Connection> connection = co_await log_in(session, client);
  while (connection) {
    if (!connection->server) {
      connection = co_await serve_without_server(session, client, std::move(connection));
      continue;
    }
    CommandPhase phase{session, client, std::move(*connection)};
    connection.reset();  // the phase does without its memory
    for (bool more = phase.may_run(); more;) {
      const session::PumpEnd end = co_await phase.pump().run();
      more = co_await phase.go_on(end);
      more = more && phase.may_run();
    }
    connection = phase.take_next();
  }
}

}  // namespace perilune::proto::mysql
