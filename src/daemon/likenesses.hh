#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "cluster/cluster.hh"
#include "event/deadline.hh"
#include "event/latch.hh"
#include "event/loop.hh"
#include "event/task.hh"
#include "event/task_group.hh"
#include "log/logger.hh"
#include "net/address.hh"
#include "session/likeness.hh"
#include "util/clock.hh"
#include "util/unique_function.hh"

namespace perilune::daemon {

// Probes the servers that listeners are to look like, on the control thread, for as long as a
// generation's listeners want it.
class Likenesses {
 public:
  Likenesses(event::Loop& loop, const log::Logger& logger);
  Likenesses(const Likenesses&) = delete;
  Likenesses& operator=(const Likenesses&) = delete;

  // What all of these servers can, under the first one's version; of those that were seen, as they
  // were when they were last seen. Or those of a cluster, whichever it has at the time. Equal lists
  // share one object. Null: the list is empty, and there is no cluster.
  using Published = std::shared_ptr<const session::PublishedLikeness>;
  Published of(const std::vector<net::Endpoint>& servers,
               const std::shared_ptr<const cluster::Cluster>& cluster);

  // Waits until every server was tried once, but no longer than that.
  event::Task<> settle(Millis limit);

  // Begins no more probes; calls `idle` when none is under way nor its end.
  void stop(UniqueFunction<void()> idle);

 private:
  struct Server {
    net::Endpoint endpoint;
    std::optional<session::Likeness> seen;
    bool away = false;
  };
  struct Watched {
    explicit Watched(event::Loop& loop) : tried(loop) {}
    std::shared_ptr<const cluster::Cluster> cluster;  // null: the list stays as it is
    std::shared_ptr<const cluster::Members> members;  // of the cluster, as `servers` are
    std::vector<net::Endpoint> declared;
    std::vector<Server> servers;
    std::weak_ptr<session::PublishedLikeness> wanted;
    event::Latch tried;
  };

  event::Task<> watch(std::shared_ptr<Watched> watched);
  event::Task<> pause(const Watched& watched);
  event::Task<> probe(Server& server);
  void report(Server& server, const std::string& problem);
  static void publish(const Watched& watched);
  void check_idle();

  event::Loop& loop_;
  const log::Logger& logger_;
  std::vector<std::weak_ptr<Watched>> watched_;
  std::size_t probes_ = 0;  // under way
  bool stopped_ = false;
  UniqueFunction<void()> idle_;
  event::Deadline idle_check_;
  event::TaskGroup background_;
  event::TaskGroup tasks_;
};

}  // namespace perilune::daemon
