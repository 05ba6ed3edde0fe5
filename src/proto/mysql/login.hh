#pragma once

#include <cstdint>
#include <memory>

#include "event/task.hh"
#include "net/stream.hh"
#include "session/session.hh"

namespace perilune::proto::mysql {

// What a login leaves behind for the command phase.
struct Connection {
  std::unique_ptr<net::Stream> server;  // null: the script answers
  std::uint64_t capabilities = 0;  // of both sides
  std::uint16_t status = 0;        // of the server's OK
};

// The first half of a session: from the greeting to the client's OK and on_command_phase. Null when
// the client was refused, which it has been told. Throws for what breaks.
event::Task<std::unique_ptr<Connection>> log_in(session::Session& session, net::Stream& client);

}  // namespace perilune::proto::mysql
