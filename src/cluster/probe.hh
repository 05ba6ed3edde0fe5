#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "cluster/judge.hh"
#include "cluster/settings.hh"
#include "event/loop.hh"
#include "event/task.hh"
#include "event/task_group.hh"
#include "net/address.hh"

namespace perilune::cluster {

// A server to look at. Everything outlives the probe.
struct ProbeOrder {
  event::Loop& loop;
  event::TaskGroup& background;  // for what a probe leaves behind
  const ProbeSettings& settings;
  net::Endpoint endpoint;
  std::vector<net::Address> addresses;  // of a name, if they are known
};

// Implemented by each protocol: tells how a server is, within settings.timeout. Throws nothing that
// a server can cause.
using Probe = event::Task<Finding> (*)(ProbeOrder order);

}  // namespace perilune::cluster
