#pragma once

#include <cstdint>

#include "util/failure.hh"
#include "util/result.hh"

namespace perilune::daemon {

// Raises the soft limit of open descriptors to the hard one; returns what holds now.
Result<std::uint64_t, Failure> raise_descriptor_limit();

}  // namespace perilune::daemon
