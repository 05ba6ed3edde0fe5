#pragma once

#include <memory>

#include "event/task.hh"
#include "net/stream.hh"
#include "session/session.hh"

namespace perilune::proto::raw {

// The first half of a session: the client's TLS, on_connect, and the server. Null when the client
// is refused. Throws for what breaks.
event::Task<std::unique_ptr<net::Stream>> open(session::Session& session, net::Stream& client);

}  // namespace perilune::proto::raw
