#pragma once

#include "event/task.hh"
#include "net/stream.hh"
#include "session/decision.hh"
#include "session/session.hh"
#include "util/bytes.hh"

namespace perilune::session {

// Reads the PROXY header that the listener demands of this peer, for at most handshake_timeout; the
// session then goes by what it announces. What follows the header stays in the stream. Throws
// PeerError, ClientGone if the peer went away without a byte, as those do who only look whether the
// port answers.
event::Task<> receive_proxy_header(Session& session, net::Stream& client);

// The first bytes to a server that shall know the session's client; empty if it shall not. What is
// no TCP connection is announced as LOCAL or UNKNOWN: as a unix one it would make the client a
// local user of the server's own machine, which some servers trust more.
Buffer make_proxy_header(const Session& session, SendProxy version);

}  // namespace perilune::session
