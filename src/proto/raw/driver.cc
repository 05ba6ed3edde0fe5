#include "proto/raw/driver.hh"

#include <memory>

#include "proto/raw/forwarding.hh"
#include "proto/raw/opening.hh"

namespace perilune::proto::raw {

event::Task<> Driver::serve(session::Session& session, net::Stream& client) const {
  const std::unique_ptr<net::Stream> server = co_await open(session, client);
  if (!server) co_return;
  Forwarding forwarding{session, client, *server};
  const session::PumpEnd end = co_await forwarding.pump().run();
  forwarding.pass_on(end);
  co_await server->flushed();
  co_await client.flushed();
}

}  // namespace perilune::proto::raw
