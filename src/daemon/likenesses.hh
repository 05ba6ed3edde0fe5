#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

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
  // were when they were last seen. Equal lists share one object. Null: the list is empty.
  std::shared_ptr<const session::PublishedLikeness> of(const std::vector<net::Endpoint>& servers);

  // Waits until every server was tried once, but no longer than that.
  event::Task<> settle(Millis limit);

  // Begins no more probes; calls `idle` when none is under way nor its end.
  void stop(UniqueFunction<void()> idle);

 private:
  struct Watched {
    explicit Watched(event::Loop& loop) : tried(loop) {}
    std::vector<net::Endpoint> servers;
    std::vector<std::optional<session::Likeness>> seen;  // parallel to servers
    std::vector<char> away;                              // likewise
    std::weak_ptr<session::PublishedLikeness> wanted;
    event::Latch tried;
  };

  event::Task<> watch(std::shared_ptr<Watched> watched);
  event::Task<> probe(Watched& watched, std::size_t i);
  void report(Watched& watched, std::size_t i, const std::string& problem);
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
