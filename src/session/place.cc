#include "session/place.hh"

#include <utility>

namespace perilune::session {

cluster::Attempts make_attempts(Session& session, const ConnectTo& decision) {
  return cluster::Attempts{session.loop(), decision.cluster, decision.wish, decision.retry,
                           decision.connect_timeout};
}

event::Task<LeasePtr> take_place(cluster::Attempts& attempts, ConnectTo& decision) {
  LeasePtr lease = co_await attempts.next();
  decision.target = lease->node().endpoint();
  decision.addresses = lease->node().addresses();
  co_return lease;
}

bool give_up_place(Session& session, cluster::Attempts& attempts, LeasePtr lease,
                   const std::string& reason, bool refused) {
  cluster::Node& node = lease->node();
  const bool more = attempts.fail(node, reason, refused);
  if (!more) return false;
  const std::string name = session.name();
  const std::string text = node.text();
  session.services().logger.with(name).info("another node is tried", log::field("failed", text),
                                            log::field("reason", reason));
  return true;
}

}  // namespace perilune::session
