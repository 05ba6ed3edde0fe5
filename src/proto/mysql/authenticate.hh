#pragma once

#include "auth/mysql_methods.hh"
#include "event/task.hh"
#include "proto/mysql/back.hh"
#include "proto/mysql/connection.hh"
#include "proto/mysql/front.hh"
#include "session/decision.hh"
#include "session/session.hh"

namespace perilune::proto::mysql {

// The ways from a server's greeting to its OK, which they return; both throw LoginFailure, with the
// server's own error if it is the server that refuses.

// The server's challenges are answered with credentials that the script has given. What `client`
// wanted of its connection is asked of the server.
event::Task<Buffer> log_in_with_credentials(const wire::mysql::HandshakeResponse& client,
                                            Back& server, const session::ConnectTo& decision);
inline event::Task<Buffer> log_in_with_credentials(const Front& client, Back& server,
                                                   const session::ConnectTo& decision) {
  return log_in_with_credentials(client.response(), server, decision);
}

// The server's challenges go to the client and its answers to the server; the server decides. The
// greeting is answered by a method that no account has, so that the server itself names the
// account's and sends a fresh challenge: the one switch of methods that clients accept.
event::Task<Buffer> pass_login_through(session::Session& session, Front& client, Back& server,
                                       const session::ConnectTo& decision);

// The same for a client that changes its user: on the connection that it has, which `server` holds
// from then on.
event::Task<Buffer> pass_change_through(session::Session& session, Front& client, Back& server,
                                        const session::Login& login, Connection& present);

}  // namespace perilune::proto::mysql
