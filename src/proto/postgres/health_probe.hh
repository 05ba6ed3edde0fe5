#pragma once

#include "cluster/probe.hh"

namespace perilune::proto::postgres {

// Whether a server takes logins: with a user by one, and pg_is_in_recovery() where that matters;
// without one by what the server says to a login of nobody's, which is never finished.
event::Task<cluster::Finding> probe_health(cluster::ProbeOrder order);

}  // namespace perilune::proto::postgres
