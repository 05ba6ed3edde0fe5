#pragma once

#include <exception>
#include <utility>

#include "cluster/probe.hh"
#include "event/first_of.hh"
#include "event/task.hh"
#include "session/decision.hh"

namespace perilune::session {

// Where a probe goes, as a script would have decided it.
inline void aim(ConnectTo& decision, const cluster::ProbeOrder& order) {
  decision.target = order.endpoint;
  decision.addresses = order.addresses;
  decision.connect_timeout = order.settings.timeout;
}

// Looks at a node once, in the order's time. A protocol's Probe is made from the order and has
// look(), is_logging_in() and server(), which knows how far it got; its LoginFailure is what a server
// says when a login is not accepted.
template <typename Probe, typename LoginFailure>
event::Task<cluster::Finding> look_in_time(cluster::ProbeOrder order) {
  event::Loop& loop = order.loop;
  const Millis limit = order.settings.timeout;
  Probe probe{std::move(order)};
  cluster::Finding finding;
  auto looking = probe.look();
  try {
    const auto state = co_await event::within(loop, limit, std::move(looking));
    finding.state = state.value_or(cluster::NodeState::Down);
    if (!state) finding.reason = "timed out";
  } catch (const LoginFailure& failure) {
    // What the server says to the login as such is another matter than that it says nothing good.
    if (probe.is_logging_in()) finding.state = cluster::NodeState::AuthFailed;
    finding.refused = probe.server().was_refused();
    finding.reason = probe.server().connect_problem();
    if (finding.reason.empty()) finding.reason = failure.what();
  } catch (const std::exception& error) {
    finding.reason = error.what();
  }
  co_return finding;
}

}  // namespace perilune::session
