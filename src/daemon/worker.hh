#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cluster/registry.hh"
#include "daemon/acceptors.hh"
#include "daemon/directory.hh"
#include "daemon/generation.hh"
#include "event/ask.hh"
#include "event/deadline.hh"
#include "event/loop.hh"
#include "event/mailbox.hh"
#include "event/task_group.hh"
#include "log/logger.hh"
#include "log/throttle.hh"
#include "lua/sources.hh"
#include "lua/watch.hh"
#include "script/host.hh"
#include "session/session.hh"
#include "stats/metrics.hh"

namespace perilune::daemon {

// What a worker's run of the script came to: a declaration, or why there is none.
struct Loaded {
  std::optional<session::Declaration> declaration;
  std::string error;
};

// The script that a worker is to run.
struct LoadOrder {
  std::string path;
  std::shared_ptr<lua::Sources> sources;
  std::vector<std::string> systemd_socket_names;
  std::shared_ptr<shared::Registry> dictionaries;
  std::shared_ptr<stats::OwnMetrics> own_metrics;
};

// What a worker needs of the process; all of it outlives the worker.
struct WorkerContext {
  const log::Logger& logger;
  stats::Cells& metrics;
  std::atomic<std::uint32_t>& next_session_id;
  event::Mailbox& control;  // of the control thread
  const Branches& branches;
  cluster::Registry& clusters;
};

// A thread with its own loop, Lua states and sessions. The functions of the first part may be
// called from any thread, the others from the one named.
class Worker {
 public:
  Worker(unsigned index, WorkerContext context);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();  // stops the loop, joins the thread; what still runs is cancelled

  unsigned index() const noexcept { return index_; }
  event::Mailbox& mailbox() noexcept { return mailbox_; }
  Branch branch() noexcept { return {index_, &mailbox_, &open_sessions_}; }
  // Sessions of this worker and connections on their way to it.
  std::size_t sessions() const noexcept { return sessions_.load(std::memory_order_relaxed); }
  // Hands over an accepted connection of the current generation.
  void hand_over(UniqueFd socket, net::Address peer, std::size_t listener);

  // --- on the control thread

  // Looks after the scripts that run: aborts what never ends. True while one is stuck where it
  // cannot be aborted; that is logged once.
  bool check_scripts();
  // Asks the thread to end; what still runs on it is cancelled by the destructor.
  void begin_end();
  // Waits that long for it; false: it is busy, which only a script can be for long.
  bool wait_for_end(Millis limit) const {
    return ended_.wait_for(limit) == std::future_status::ready;
  }

  // --- on the worker's thread

  // Runs the script in a fresh state and keeps it as the candidate, unless the asker has given up.
  void load(LoadOrder order, event::Reply<Loaded> reply);
  // Gets ready to accept for itself from these when the candidate takes over; replies with what
  // failed, or nothing.
  void prepare_accepting(std::vector<OpenListener> listeners, event::Reply<std::string> reply);
  // The candidate and what was prepared for it.
  void discard_candidate() noexcept;
  // The candidate becomes the script of new sessions, what was prepared is where they come from;
  // cannot fail.
  void take_over(std::shared_ptr<const Generation> generation);
  // Calls the script's own reload function; replies whether there is one.
  void call_reload(event::Reply<bool> reply);
  // A message that was sent at that time has come: how late, and what else only this thread knows.
  void note_probe(Clock::time_point sent);
  // See session::Directory.
  void empty_node(std::shared_ptr<const cluster::Node> node, Millis limit) {
    directory_.empty_node(std::move(node), limit);
  }
  void drain();
  void stop_sessions(session::StopReason reason);
  // Calls `idle` on this thread, once, when no session is left nor anything that one left behind.
  // For a worker that drains.
  void when_idle(UniqueFunction<void()> idle);

 private:
  // A script that was loaded here, with what the generation calls its listeners by.
  struct Script {
    std::shared_ptr<script::Host> host;
    session::Declaration declaration;
    std::shared_ptr<const Generation> generation;
    std::vector<std::size_t> own_index;  // of the generation's listeners in this declaration
  };

  void use_logs(const std::vector<std::shared_ptr<log::QueryLog>>& logs);
  event::Task<> load_candidate(LoadOrder order, event::Reply<Loaded> reply);
  event::Task<> run_reload(event::Reply<bool> reply);
  void start_session(UniqueFd socket, net::Address peer, std::size_t listener);
  void open_session(UniqueFd socket, net::Address peer, std::size_t listener);
  void session_ended();
  void uncount_session();
  void check_idle();
  std::uint32_t next_id() noexcept;
  void report_pause(int error);

  const unsigned index_;
  WorkerContext context_;
  std::vector<std::weak_ptr<lua::Watch>> watches_;  // the control thread's
  std::atomic<std::size_t> sessions_{0};
  event::Loop loop_;
  event::Mailbox mailbox_;
  std::shared_ptr<Script> candidate_;
  std::vector<std::weak_ptr<script::Host>> hosts_;  // of all generations
  std::shared_ptr<Script> current_;
  std::vector<std::weak_ptr<log::QueryLog>> logs_;  // that tell this worker of room in them
  session::SessionList open_sessions_;
  Directory directory_;
  UniqueFunction<void()> idle_;
  bool draining_ = false;
  log::Throttle accept_throttle_{Millis{10000}};
  log::Throttle reject_throttle_{Millis{10000}};
  Acceptors acceptors_;
  event::Deadline idle_check_;
  event::TaskGroup background_;
  session::Services services_;
  event::TaskGroup tasks_;  // before everything else goes, what runs is cancelled
  std::promise<void> has_ended_;
  std::future<void> ended_ = has_ended_.get_future();
  std::thread thread_;
};

}  // namespace perilune::daemon
