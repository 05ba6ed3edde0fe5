#pragma once

// proto: one folder a protocol: driver (the story), channel (messages over a stream), front (we
// play server), back (we play client), command phase. No protocol knows another one.

#include <string_view>

#include "cluster/probe.hh"
#include "session/declaration.hh"
#include "session/driver.hh"

namespace perilune::proto {

const session::Driver& driver_of(session::Protocol protocol) noexcept;
// How servers of a protocol are probed, which is called by what the script's functions begin with.
cluster::Probe probe_of(std::string_view protocol) noexcept;

}  // namespace perilune::proto
