#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "cluster/cluster.hh"
#include "event/loop.hh"
#include "event/task.hh"
#include "util/clock.hh"

namespace perilune::cluster {

// Nobody can be sent anywhere: why, for the log.
class NoNode : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// One client's way to a server of a cluster: a node, and others when that one fails, within a time
// for all of it. Lives on the client's thread.
class Attempts {
 public:
  // `retry`: other nodes that are tried. A limit of zero or less: none. Where nobody probes, and
  // nothing listens at any node, it is begun anew until the time is over.
  Attempts(event::Loop& loop, std::shared_ptr<Cluster> cluster, Wish wish, unsigned retry,
           Millis limit);
  Attempts(const Attempts&) = delete;
  Attempts& operator=(const Attempts&) = delete;

  // A place at the next node, after waiting for one if need be. Throws NoNode when the time is
  // over, or at once when there is nothing to wait for.
  event::Task<std::unique_ptr<Lease>> next();
  // What is left for the present attempt if the others that may follow get as much; zero: no limit.
  Millis share() const;

  // The present attempt has failed; false: it was the last, and there is nothing to wait for.
  bool fail(Node& node, const std::string& reason, bool refused);
  void succeed(Node& node) { cluster_->note_connected(node); }

 private:
  bool begin_anew();
  event::Task<> pause();
  Millis left() const;
  std::string complaint(Choice::Lack lack) const;

  event::Loop& loop_;
  std::shared_ptr<Cluster> cluster_;
  const Wish wish_;
  const bool is_limited_;
  const Clock::time_point end_;
  const unsigned retries_;
  unsigned retries_left_;
  bool pauses_ = false;  // before the next attempt
  Tried tried_;
  std::string last_failure_;
};

}  // namespace perilune::cluster
