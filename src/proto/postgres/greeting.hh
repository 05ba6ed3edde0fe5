#pragma once

#include "session/session.hh"
#include "util/bytes.hh"
#include "wire/postgres/startup.hh"

namespace perilune::proto::postgres {

// Notes what a server says of itself by "ParameterStatus" of this body.
void note_parameter(session::Session& session, Bytes body);

// What a session without a server says of itself: the parameters that every server reports
// (PostgreSQL manual, "Asynchronous Operations"), as the client wishes them where it says so.
Buffer parameters_of_our_own(session::Session& session,
                             const wire::postgres::StartupMessage& startup);

}  // namespace perilune::proto::postgres
