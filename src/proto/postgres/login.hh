#pragma once

#include <memory>

#include "event/task.hh"
#include "net/stream.hh"
#include "proto/postgres/connection.hh"
#include "session/session.hh"

namespace perilune::proto::postgres {

// The first half of a session: from the first byte to the client's ReadyForQuery, with
// on_command_phase before it. Null when the client was refused, which it has been told, or wanted
// no session but to cancel a statement of another. Throws for what breaks.
event::Task<std::unique_ptr<Connection>> log_in(session::Session& session, net::Stream& client);

}  // namespace perilune::proto::postgres
