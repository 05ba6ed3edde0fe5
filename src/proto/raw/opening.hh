#pragma once

#include <memory>

#include "event/task.hh"
#include "net/small_address.hh"
#include "net/stream.hh"
#include "proto/raw/fanout.hh"
#include "session/decision.hh"
#include "session/mirror.hh"
#include "session/session.hh"

namespace perilune::proto::raw {

// Where the client's bytes go. Nowhere: it was refused.
struct Route {
  std::unique_ptr<net::Stream> server;
  std::unique_ptr<session::Mirror> mirror;  // null: none
  std::unique_ptr<Fanout> fanout;           // instead of a server
};

// The first half of a session: the client's TLS, on_connect, and the connections to where it says.
// Throws for what breaks.
event::Task<Route> open(session::Session& session, net::Stream& client);

// One connection, with the PROXY header and the TLS that the decision wants, all within its
// connect_timeout; `address` is where the server's is noted. Throws PeerError.
event::Task<std::unique_ptr<net::Stream>> connect(session::Session& session,
                                                  session::ConnectTo decision,
                                                  net::SmallAddress& address);

}  // namespace perilune::proto::raw
