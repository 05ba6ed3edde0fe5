#include "proto/raw/driver.hh"

#include "proto/raw/forwarding.hh"
#include "proto/raw/opening.hh"

namespace perilune::proto::raw {

event::Task<> Driver::serve(session::Session& session, net::Stream& client) const {
  const Route route = co_await open(session, client);
  if (route.fanout) {
    co_await route.fanout->run();
    co_return;
  }
  if (!route.server) co_return;
  Forwarding forwarding{session, client, *route.server, route.mirror.get()};
  const session::PumpEnd end = co_await forwarding.pump().run();
  forwarding.pass_on(end);
  co_await route.server->flushed();
  co_await client.flushed();
}

}  // namespace perilune::proto::raw
