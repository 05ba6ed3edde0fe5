#include "proto/raw/probe.hh"

#include <utility>

#include "event/first_of.hh"
#include "net/connect.hh"
#include "net/dialing.hh"

namespace perilune::proto::raw {

event::Task<cluster::Finding> probe(cluster::ProbeOrder order) {
  net::Dialing dialing{order.loop};
  const Millis limit = order.settings.timeout;
  auto connecting = dialing.dial(std::move(order.endpoint), std::move(order.addresses), limit);
  cluster::Finding finding;
  try {
    const auto stream = co_await event::within(order.loop, limit, std::move(connecting));
    if (stream) {
      finding.state = cluster::NodeState::Available;
    } else {
      finding.reason = "timed out";
    }
  } catch (const event::UvError& error) {
    finding.reason = uv_strerror(error.code());
    finding.refused = net::is_refusal(error.code());
  }
  co_return finding;
}

}  // namespace perilune::proto::raw
