#pragma once

#include "event/countdown.hh"
#include "event/task.hh"
#include "session/session.hh"

namespace perilune::session {

// What a client is asked for the script, by `asking`: its login's clock runs meanwhile. One that
// goes away ends its session, not the script's callback by an error: then this never returns.
event::Task<bool> ask_client(Session& session, event::Countdown& clock, event::Task<bool> asking);

}  // namespace perilune::session
