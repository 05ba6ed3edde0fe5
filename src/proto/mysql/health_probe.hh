#pragma once

#include "cluster/probe.hh"

namespace perilune::proto::mysql {

// With a user: logs in, and asks whether the server is read-only if that is another state. Without:
// receives the greeting, which is answered in good order behind it.
event::Task<cluster::Finding> probe_health(cluster::ProbeOrder order);

}  // namespace perilune::proto::mysql
