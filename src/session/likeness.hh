#pragma once

#include <cstdint>
#include <string>

#include "event/published.hh"

namespace perilune::session {

// What servers say of themselves before anybody logs in, for listeners that are to say the same
// (their option `like`).
struct Likeness {
  std::string server_version;
  std::uint64_t capabilities = 0;  // the protocol's flags
  bool operator==(const Likeness&) const = default;
};

// Set by the control thread, read by the workers. Null until a server was seen.
using PublishedLikeness = event::Published<Likeness>;

}  // namespace perilune::session
