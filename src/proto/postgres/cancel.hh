#pragma once

#include "event/task.hh"
#include "session/session.hh"
#include "wire/postgres/startup.hh"

namespace perilune::proto::postgres {

// Passes a client's wish to cancel on to the server of the session whose key it names, and waits
// until that server is done with it: clients take the end of their connection for that. A key that
// is nobody's is ignored, as by servers. Bounded in time; throws nothing that a peer can cause.
event::Task<> pass_cancel(session::Session& session, const wire::postgres::CancelRequest& request);

}  // namespace perilune::proto::postgres
