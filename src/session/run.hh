#pragma once

#include <memory>

#include "event/task.hh"
#include "net/stream.hh"
#include "session/driver.hh"
#include "session/session.hh"

namespace perilune::session {

// One session from beginning to end: serves it until it is over or stopped, and is the only place
// where its errors end: one log line, close. A PROXY header that the listener demands comes first,
// on_disconnect last, unless the header was missing: nobody has heard of that client. Never throws.
event::Task<> run(std::unique_ptr<Session> session, std::unique_ptr<net::Stream> client,
                  const Driver& driver);

}  // namespace perilune::session
