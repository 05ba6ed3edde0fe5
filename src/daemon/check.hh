#pragma once

#include "daemon/options.hh"
#include "log/logger.hh"

namespace perilune::daemon {

// perilune --check: loads the script in one state, opens nothing, prints what it declares to
// stdout, or the first error to stderr. Returns the exit status.
int check_configuration(const Options& options, const log::Logger& logger);

}  // namespace perilune::daemon
