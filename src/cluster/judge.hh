#pragma once

#include <string>

#include "cluster/node.hh"

namespace perilune::cluster {

// What one probe came to.
struct Finding {
  NodeState state = NodeState::Down;
  std::string reason;    // empty: nothing is wrong
  bool refused = false;  // nothing listens there
};

// Whether clients can be sent to a node of this state.
constexpr bool is_up(NodeState health) noexcept {
  return health == NodeState::ReadOnly || health == NodeState::Available;
}

// Turns findings into states. A server that works is given up after `fall` bad probes in a row,
// after one if nothing listens there any more; one that did not work must be good for `rise` in a
// row, unless there is nothing better to wait for. What a working server says of itself counts at
// once.
class Judge {
 public:
  Judge(unsigned rise, unsigned fall) noexcept : rise_(rise), fall_(fall) {}

  // The node's state after one more finding. `alone`: no node of the cluster is up.
  NodeState judge(NodeState present, const Finding& finding, bool alone) noexcept {
    if (present != last_) goods_ = bads_ = 0;  // a client has found something else meanwhile
    last_ = decide(present, finding, alone);
    return last_;
  }

 private:
  NodeState decide(NodeState present, const Finding& finding, bool alone) noexcept {
    const bool up = is_up(finding.state);
    goods_ = up ? goods_ + 1 : 0;
    bads_ = up ? 0 : bads_ + 1;
    if (is_up(present) == up || present == NodeState::Unknown) return finding.state;
    const bool enough = up ? alone || goods_ >= rise_ : finding.refused || bads_ >= fall_;
    return enough ? finding.state : present;
  }

  unsigned rise_;
  unsigned fall_;
  unsigned goods_ = 0;
  unsigned bads_ = 0;
  NodeState last_ = NodeState::Unknown;
};

}  // namespace perilune::cluster
