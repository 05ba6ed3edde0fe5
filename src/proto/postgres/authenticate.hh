#pragma once

#include <string_view>

#include "auth/postgres_login.hh"
#include "event/task.hh"
#include "proto/postgres/back.hh"
#include "proto/postgres/front.hh"
#include "session/session.hh"

namespace perilune::proto::postgres {

// The ways from a server's first word to its AuthenticationOk, which the client is not told yet.
// Both throw LoginFailure, with the server's own error if it is the server that refuses.

// The server's requests are answered with what is known of the user.
event::Task<> log_in_with_credentials(Back& server, const auth::PostgresCredentials& credentials,
                                      std::string_view user, auth::ScramKeyCache& cache);

// The server's requests go to the client and its answers to the server; the server decides. SCRAM
// is never bound to a channel here: there are two.
event::Task<> pass_login_through(const session::Session& session, Front& client, Back& server,
                                 std::string_view user);

}  // namespace perilune::proto::postgres
