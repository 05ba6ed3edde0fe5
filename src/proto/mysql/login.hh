#pragma once

#include <memory>

#include "event/task.hh"
#include "net/stream.hh"
#include "proto/mysql/connection.hh"
#include "session/session.hh"

namespace perilune::proto::mysql {

// The first half of a session: from the greeting to the client's OK and on_command_phase. Null when
// the client was refused, which it has been told. Throws for what breaks.
event::Task<std::unique_ptr<Connection>> log_in(session::Session& session, net::Stream& client);

}  // namespace perilune::proto::mysql
