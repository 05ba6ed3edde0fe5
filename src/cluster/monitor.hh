#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string_view>
#include <vector>

#include "cluster/cluster.hh"
#include "cluster/judge.hh"
#include "cluster/probe.hh"
#include "cluster/registry.hh"
#include "event/deadline.hh"
#include "event/loop.hh"
#include "event/task.hh"
#include "event/task_group.hh"
#include "util/clock.hh"
#include "util/unique_function.hh"

namespace perilune::cluster {

// Looks after all clusters of the process, on one thread: probes the nodes of those that are
// monitored, and keeps the addresses of host names fresh.
class Monitor {
 public:
  // How often it is to be called.
  static constexpr Millis kTick{100};
  static constexpr Millis kResolveEvery{30000};
  // While a name's server fails.
  static constexpr Millis kResolveAgain{1000};
  // While no node of a cluster is up.
  static constexpr Millis kAnxious{250};

  struct Callbacks {
    std::function<Probe(std::string_view protocol)> probe_of;
    // Sessions of the node that want no read-only one are to end: a better one is there.
    std::function<void(std::shared_ptr<Node>)> drop_sessions;
  };

  Monitor(event::Loop& loop, Registry& registry, const log::Logger& logger, Callbacks callbacks);
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  // Begins what is due.
  void tick();
  // Waits until every node of these was looked at once, but no longer than that.
  event::Task<> settle(std::vector<std::shared_ptr<Cluster>> clusters, Millis limit);
  // Begins nothing more; calls `idle` when nothing is under way.
  void stop(UniqueFunction<void()> idle);

 private:
  // A node of a cluster and what is done about it.
  struct Watched {
    Watched(const std::shared_ptr<Cluster>& in, std::shared_ptr<Node> what);
    std::weak_ptr<Cluster> cluster;
    std::shared_ptr<Node> node;
    Judge judge;
    Clock::time_point probed_at;
    Clock::time_point probe_due;    // the first is due at once
    Clock::time_point resolve_due;  // likewise
    bool probing = false;
    bool resolving = false;
    bool unresolvable = false;  // and it was logged
  };
  using Key = std::pair<const Cluster*, const Node*>;

  void forget_gone();
  void tend(Cluster& cluster, const std::shared_ptr<Watched>& watched, Clock::time_point now);
  event::Task<> probe(std::shared_ptr<Cluster> cluster, std::shared_ptr<Watched> watched);
  event::Task<> resolve(std::shared_ptr<Cluster> cluster, std::shared_ptr<Watched> watched);
  void drop_outdone(const Cluster& cluster, const Node& probed);
  Millis jittered(Millis interval);
  bool is_settled(const std::vector<std::shared_ptr<Cluster>>& clusters) const;
  void check_idle();

  event::Loop& loop_;
  Registry& registry_;
  const log::Logger& logger_;
  Callbacks callbacks_;
  std::map<Key, std::shared_ptr<Watched>> watched_;
  std::minstd_rand random_{std::random_device{}()};
  std::size_t under_way_ = 0;
  bool stopped_ = false;
  UniqueFunction<void()> idle_;
  event::Deadline idle_check_;
  event::TaskGroup background_;
  event::TaskGroup tasks_;
};

}  // namespace perilune::cluster
