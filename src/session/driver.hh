#pragma once

#include "event/task.hh"
#include "net/stream.hh"
#include "session/session.hh"

namespace perilune::session {

// A protocol: the story of one session, from the accepted connection to its end. Throws PeerError
// and UvError for what ends this session alone.
class Driver {
 public:
  virtual ~Driver() = default;
  virtual event::Task<> serve(Session& session, net::Stream& client) const = 0;
};

}  // namespace perilune::session
