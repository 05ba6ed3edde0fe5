#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/monitor.hh"
#include "cluster/registry.hh"
#include "daemon/acceptors.hh"
#include "daemon/admin.hh"
#include "daemon/control.hh"
#include "daemon/exporter.hh"
#include "daemon/generation.hh"
#include "daemon/http.hh"
#include "daemon/likenesses.hh"
#include "daemon/listeners.hh"
#include "daemon/options.hh"
#include "daemon/worker.hh"
#include "event/deadline.hh"
#include "event/loop.hh"
#include "event/mailbox.hh"
#include "event/task_group.hh"
#include "event/timer.hh"
#include "event/unix_signal.hh"
#include "log/logger.hh"
#include "log/throttle.hh"
#include "log/writer.hh"
#include "stats/metrics.hh"

namespace perilune::daemon {

// The control thread: starts, reloads, watches and ends the workers; accepts for them when there
// are several.
class Supervisor {
 public:
  Supervisor(Options options, const log::Logger& logger);
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;
  ~Supervisor();

  // Runs the daemon; returns its exit status.
  int run();

 private:
  // What a generation has and its declaration only names.
  struct Opened {
    std::vector<std::shared_ptr<const session::Listener>> listeners;
    std::vector<std::shared_ptr<log::QueryLog>> logs;
  };

  // --- starting and reloading (reload.cc)
  event::Task<> start();
  event::Task<> reload();
  event::Task<> reload_once();
  event::Task<bool> script_reloads_itself();
  event::Task<session::Declaration> load_everywhere();
  event::Task<session::Declaration> load_in(Worker& worker);
  void start_workers(const session::Declaration& first);
  unsigned wanted_workers(const session::Declaration& declaration) const;
  void discard_candidates();
  event::Task<> switch_to(session::Declaration declaration);
  void commit(session::Declaration declaration, std::vector<Sockets> sockets,
              Control::Prepared controls, Http::Prepared https, Opened opened);
  std::vector<std::shared_ptr<log::QueryLog>> open_logs(const session::Declaration& declaration);
  template <typename T>
  event::Task<T> ask_worker(Worker& worker, UniqueFunction<void(event::Reply<T>)> question);
  std::vector<std::shared_ptr<const session::Listener>> make_listeners(
      const session::Declaration& declaration);
  const session::Listener* listener_before(const session::ListenWhere& where) const noexcept;
  std::shared_ptr<const net::TlsServer> make_tls(const session::ListenerDeclaration& declared,
                                                 const session::Listener* before);
  cluster::Monitor::Callbacks monitor_callbacks();
  void drop_sessions(std::shared_ptr<cluster::Node> node);
  void report_generations();

  // --- accepting (accept.cc)
  event::Task<> prepare_accepting(const std::vector<Sockets>& sockets);
  void stop_accepting();
  void hand_over(UniqueFd socket, net::Address peer, std::size_t listener);
  void report_pause(int error);
  Worker& least_busy();

  // --- ending and watching (supervisor.cc)
  void on_reload_signal();
  void on_stop_signal();
  void drain();
  void end_sessions();
  void part_is_idle();
  std::size_t sessions() const noexcept;
  void watch_workers();
  void count_generations() noexcept;
  void probe_workers();
  Http::Handlers http_handlers();

  // --- what the admin interface asks for (supervisor_admin.cc)
  Admin::Actions admin_actions();
  void reload_for(UniqueFunction<void(std::string)> done);
  void answer_reload(const std::string& error);
  void feed_watchdog();
  void finish(int status);
  void end_workers();
  [[noreturn]] void leave_at_once();
  event::Task<> guarded_start();

  const Options options_;
  const log::Logger& logger_;
  stats::Registry registry_;
  std::atomic<std::uint32_t> next_session_id_{1};
  std::shared_ptr<std::atomic<std::uint64_t>> generations_alive_;
  std::uint64_t generations_made_ = 0;
  event::Loop loop_;
  event::Mailbox mailbox_;
  Listeners listeners_;
  log::Writer query_logs_;  // outlives the workers
  Likenesses likenesses_;
  cluster::Registry clusters_;
  cluster::Monitor monitor_;
  std::shared_ptr<session::RsaKeySource> rsa_key_;
  std::shared_ptr<session::MemoryBudget> gathered_;
  std::shared_ptr<const net::TlsServer> self_signed_;  // made on first need, kept by reloads
  const std::shared_ptr<shared::Registry> dictionaries_ = std::make_shared<shared::Registry>();
  const std::shared_ptr<stats::OwnMetrics> own_metrics_ = std::make_shared<stats::OwnMetrics>();
  std::shared_ptr<lua::Sources> sources_;              // of the load that is under way
  std::shared_ptr<const Generation> generation_;
  Branches branches_;  // of the workers
  Control control_;
  Exporter exporter_;
  Admin admin_;
  Http http_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<char> worker_stuck_;  // parallel to workers_
  Acceptors acceptors_;
  log::Throttle accept_throttle_{Millis{10000}};
  std::list<event::UnixSignal> signals_;
  std::optional<event::PeriodicTimer> watch_timer_;
  std::optional<event::PeriodicTimer> watchdog_timer_;
  Clock::time_point probed_at_;  // the workers' loops
  unsigned watchdog_answers_ = 0;  // workers that answered since the last round
  unsigned watchdog_missed_ = 0;   // rounds in a row that somebody did not answer
  event::Deadline drain_deadline_;
  event::Deadline end_deadline_;
  bool reloading_ = false;
  bool reload_again_ = false;
  // Who wants to know what comes of the next reload, and of the present one.
  std::vector<UniqueFunction<void(std::string)>> reload_waiters_;
  std::vector<UniqueFunction<void(std::string)>> reload_askers_;
  bool draining_ = false;
  bool ending_ = false;
  std::size_t idle_parts_ = 0;  // of those that drain: the workers and both kinds of probes
  int status_ = 0;
  event::TaskGroup tasks_;
};

}  // namespace perilune::daemon
