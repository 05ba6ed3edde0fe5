#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "util/clock.hh"

namespace perilune::daemon {

// Keeps what anybody may cause down to one line of the log per peer and period, and what it knows
// of peers down to a fixed number: of more than that in one period the others are not heard.
class PeerThrottle {
 public:
  explicit PeerThrottle(Millis period, std::size_t most_peers = 1000)
      : period_(period), most_peers_(most_peers) {}

  bool admit(const std::string& peer, Clock::time_point now);

 private:
  const Clock::duration period_;
  const std::size_t most_peers_;
  std::map<std::string, Clock::time_point> admitted_;
};

}  // namespace perilune::daemon
