#pragma once

#include <memory>

#include "event/task.hh"
#include "net/stream.hh"
#include "proto/mysql/connection.hh"
#include "proto/mysql/front.hh"
#include "session/session.hh"

namespace perilune::proto::mysql {

// COM_CHANGE_USER, which the client's stream begins with while nothing is outstanding: a login in the middle of a session. What
// comes back is the connection to go on with, and what `present` has of a server then is not wanted
// any more and was told so. Null: the client was refused, which it has been told, and the session
// goes on as it was with `present`, of which only the status may have changed. Throws when nothing
// can go on.
event::Task<std::unique_ptr<Connection>> change_user(session::Session& session, net::Stream& client,
                                                     Connection& present);

}  // namespace perilune::proto::mysql
