#include "daemon/peer_throttle.hh"

namespace perilune::daemon {

bool PeerThrottle::admit(const std::string& peer, Clock::time_point now) {
  const auto is_over = [this, now](const auto& entry) { return now - entry.second >= period_; };
  const auto found = admitted_.find(peer);
  if (found != admitted_.end()) {
    if (!is_over(*found)) return false;
    found->second = now;
    return true;
  }
  if (admitted_.size() >= most_peers_) std::erase_if(admitted_, is_over);
  if (admitted_.size() >= most_peers_) return false;
  admitted_.emplace(peer, now);
  return true;
}

}  // namespace perilune::daemon
