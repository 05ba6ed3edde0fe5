#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cluster/registry.hh"
#include "daemon/directory.hh"
#include "daemon/generation.hh"
#include "daemon/http_server.hh"
#include "event/mailbox.hh"
#include "event/published.hh"
#include "log/logger.hh"
#include "log/writer.hh"
#include "stats/metrics.hh"
#include "util/clock.hh"
#include "util/unique_function.hh"

namespace perilune::daemon {

// The administrator's interface: what the paths of its HTTP mean. Answers on threads of their own,
// each of which asks the workers, or the control thread, by mail and waits. To add a path: a method
// and a row in admin.cc.
class Admin {
 public:
  // All of it outlives the admin.
  struct Sources {
    const stats::Registry& registry;
    cluster::Registry& clusters;
    const Branches& branches;
    event::Mailbox& control;
    log::Writer& logs;
    const log::Logger& logger;
    std::string config;
  };
  // Called on the control thread.
  struct Actions {
    // Calls back with what went wrong, or nothing; on the control thread too.
    std::function<void(UniqueFunction<void(std::string)>)> reload;
    std::function<void(bool at_once)> shut_down;
    // Has the sessions at a node that drains end at their quiet moments.
    std::function<void(std::shared_ptr<const cluster::Node>)> empty_node;
  };
  // A generation as the control thread knows it.
  struct Loaded {
    std::uint64_t number = 0;
    WallTime at;
    std::weak_ptr<const Generation> generation;
  };

  Admin(Sources sources, Actions actions);
  Admin(const Admin&) = delete;
  Admin& operator=(const Admin&) = delete;

  // A generation has taken over. On the control thread.
  void note(const std::shared_ptr<const Generation>& generation);
  // Nobody waits any longer for the control thread or a worker.
  void abandon() noexcept { abandoned_.store(true, std::memory_order_relaxed); }

  // Any thread.
  HttpResponse answer(const HttpRequest& request);

  // --- what the paths do (admin_views.cc, admin_actions.cc)

  HttpResponse status(const HttpRequest& request);
  HttpResponse sessions(const HttpRequest& request);
  HttpResponse clusters(const HttpRequest& request);
  HttpResponse listeners(const HttpRequest& request);
  HttpResponse generations(const HttpRequest& request);
  HttpResponse logs(const HttpRequest& request);
  HttpResponse kill(const HttpRequest& request);
  HttpResponse drain(const HttpRequest& request);
  HttpResponse enable(const HttpRequest& request);
  HttpResponse reload(const HttpRequest& request);
  HttpResponse reopen(const HttpRequest& request);
  HttpResponse shut_down(const HttpRequest& request);

 private:
  using Generations = std::vector<Loaded>;

  // Calls look(branch) on each worker's thread and waits for what they say. Who says nothing is
  // named in `silent`.
  template <typename T, typename Look>
  std::vector<T> ask_workers(Look look, std::vector<unsigned>& silent);
  std::shared_ptr<const Generation> current() const;
  HttpResponse change_nodes(const HttpRequest& request, bool drains);
  void log_action(const HttpRequest& request, std::string_view what) const;

  const Sources sources_;
  const Actions actions_;
  const WallTime started_at_ = std::chrono::system_clock::now();
  std::atomic<bool> abandoned_{false};
  event::Published<Generations> generations_;
};

}  // namespace perilune::daemon
