#pragma once

#include <cstdint>
#include <memory>

#include "event/deadline.hh"
#include "session/session.hh"
#include "util/unique_function.hh"

namespace perilune::session {

// Stops a session in which nothing has moved for its listener's idle_timeout.
class IdleWatch {
 public:
  // Changes with every sign of life.
  using Progress = UniqueFunction<std::uint64_t()>;

  IdleWatch(Session& session, Progress progress);

 private:
  void arm();
  void look();

  Session& session_;
  Progress progress_;
  std::uint64_t seen_ = 0;
  event::Deadline deadline_;
};

// Null: the listener has no idle_timeout.
std::unique_ptr<IdleWatch> watch_idleness(Session& session, IdleWatch::Progress progress);
// The same of a session of statements: bytes are signs of life, and while it is busy the client has
// nothing to do.
std::unique_ptr<IdleWatch> watch_idleness_between_statements(Session& session,
                                                             UniqueFunction<bool()> is_busy);

}  // namespace perilune::session
