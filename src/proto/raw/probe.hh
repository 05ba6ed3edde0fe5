#pragma once

#include "cluster/probe.hh"

namespace perilune::proto::raw {

// Connects: there is nothing more to find out about a server of any protocol.
event::Task<cluster::Finding> probe(cluster::ProbeOrder order);

}  // namespace perilune::proto::raw
