#include "proto/mysql/driver.hh"

#include <memory>
#include <utility>

#include "proto/mysql/command_phase.hh"
#include "proto/mysql/login.hh"
#include "proto/mysql/served_phase.hh"

namespace perilune::proto::mysql {

event::Task<> Driver::serve(session::Session& session, net::Stream& client) const {
  std::unique_ptr<Connection> connection = co_await log_in(session, client);
  if (!connection) co_return;
  if (!connection->server) {
    ServedPhase served{session, client, connection->capabilities};
    co_await served.run();
    co_return;
  }
  CommandPhase phase{session, client, std::move(*connection)};
  connection.reset();  // the rest of the session does without its memory
  for (bool more = phase.may_run(); more;) {
    const session::PumpEnd end = co_await phase.pump().run();
    more = co_await phase.go_on(end);
    more = more && phase.may_run();
  }
}

}  // namespace perilune::proto::mysql
