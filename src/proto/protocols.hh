#pragma once

// proto: one folder a protocol: driver (the story), channel (messages over a stream), front (we
// play server), back (we play client), command phase. No protocol knows another one.

#include "session/declaration.hh"
#include "session/driver.hh"

namespace perilune::proto {

const session::Driver& driver_of(session::Protocol protocol) noexcept;

}  // namespace perilune::proto
