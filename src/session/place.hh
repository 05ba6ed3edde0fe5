#pragma once

#include <string>

#include "cluster/attempts.hh"
#include "event/task.hh"
#include "session/decision.hh"
#include "session/session.hh"

namespace perilune::session {

// Tries the nodes of the cluster that a decision has led to.
cluster::Attempts make_attempts(Session& session, const ConnectTo& decision);

// Takes a place at the next node, which the decision names then; `lease` keeps it. Throws
// cluster::NoNode.
using LeasePtr = std::unique_ptr<const cluster::Lease>;
event::Task<LeasePtr> take_place(cluster::Attempts& attempts, ConnectTo& decision);

// One attempt has failed; false: it was the last.
bool give_up_place(Session& session, cluster::Attempts& attempts, LeasePtr lease,
                   const std::string& reason, bool refused);

}  // namespace perilune::session
