#include "daemon/supervisor.hh"

#include <unistd.h>

#include <csignal>
#include <exception>
#include <numeric>
#include <utility>

#include "daemon/systemd.hh"
#include "session/rsa_key_source.hh"
#include "sinks/sinks.hh"
#include "util/error.hh"

namespace perilune::daemon {

namespace {

constexpr Millis kWatchInterval = cluster::Monitor::kTick;
// After the last sessions were told to end.
constexpr Millis kEndLimit{2000};
// For the workers' threads to end; longer than it takes to abort a callback with the default limit.
constexpr Millis kJoinLimit{5000};
// For what is left of the query logs.
constexpr Millis kLogLimit{5000};
// Rounds that systemd's watchdog is fed although a worker does not answer, so that the others can
// drain.
constexpr unsigned kPatience = 10;
constexpr Millis kProbeInterval{1000};

std::vector<systemd::PassedSocket> passed_sockets() {
  auto passed = systemd::take_passed_sockets();
  if (!passed) throw ConfigError(passed.error().message);
  return std::move(*passed);
}

}  // namespace

Supervisor::Supervisor(Options options, const log::Logger& logger)
    : options_(std::move(options)),
      logger_(logger),
      registry_(kMaxWorkers),
      generations_alive_(std::make_shared<std::atomic<std::uint64_t>>(0)),
      mailbox_(loop_),
      listeners_(passed_sockets()),
      query_logs_(sinks::make_sink, logger_),
      likenesses_(loop_, logger_),
      clusters_(logger_),
      monitor_(loop_, clusters_, logger_, monitor_callbacks()),
      rsa_key_(std::make_shared<session::RsaKeySource>()),
      gathered_(std::make_shared<session::MemoryBudget>()),
      control_(loop_, mailbox_, branches_, logger_),
      exporter_({registry_, *own_metrics_, clusters_, branches_, query_logs_, logger_}),
      admin_({registry_, clusters_, branches_, mailbox_, query_logs_, logger_, options_.config},
             admin_actions()),
      http_(loop_, http_handlers(), logger_),
      acceptors_(
          loop_,
          [this](UniqueFd socket, net::Address peer, std::size_t listener) {
            hand_over(std::move(socket), peer, listener);
          },
          [this](int error) { report_pause(error); }),
      tasks_(loop_) {
  worker_stuck_.resize(kMaxWorkers, 0);
  for (const int signal : {SIGTERM, SIGINT, SIGQUIT}) {
    signals_.emplace_back(loop_, signal, [this] { on_stop_signal(); });
  }
  signals_.emplace_back(loop_, SIGHUP, [this] { on_reload_signal(); });
  signals_.emplace_back(loop_, SIGUSR1, [this] { query_logs_.reopen(); });
}

// What the sessions that are left have to log is written, too.
Supervisor::~Supervisor() {
  workers_.clear();
  query_logs_.finish(kLogLimit);
}

int Supervisor::run() {
  tasks_.spawn(guarded_start());
  loop_.run();
  end_workers();
  return status_;
}

event::Task<> Supervisor::guarded_start() {
  try {
    watch_timer_.emplace(loop_, kWatchInterval, [this] { watch_workers(); });
    co_await start();
    if (reload_again_) tasks_.spawn(reload());
    if (const auto period = systemd::watchdog_period()) {
      watchdog_timer_.emplace(loop_, std::chrono::duration_cast<Millis>(*period) / 2,
                              [this] { feed_watchdog(); });
    }
  } catch (const std::exception& e) {
    logger_.text(log::Level::Error, "configuration", e.what());
    finish(kExitConfig);
  }
}

// --- ending

void Supervisor::on_reload_signal() {
  query_logs_.reopen();
  if (draining_) return;
  if (!generation_ || reloading_) {
    reload_again_ = true;
    return;
  }
  tasks_.spawn(reload());
}

void Supervisor::on_stop_signal() {
  if (!generation_) {
    finish(0);
  } else if (!draining_) {
    drain();
  } else {
    end_sessions();
  }
}

void Supervisor::drain() {
  draining_ = true;
  logger_.notice("shutting down", log::field("sessions", sessions()));
  systemd::notify_stopping("draining");
  stop_accepting();
  for (const auto& worker : workers_) {
    Worker* const there = worker.get();
    there->mailbox().post([this, there] {
      there->drain();
      there->when_idle([this] { mailbox_.post([this] { part_is_idle(); }); });
    });
  }
  likenesses_.stop([this] { part_is_idle(); });
  monitor_.stop([this] { part_is_idle(); });
  const Millis limit = generation_->settings().drain_timeout;
  if (limit.count() <= 0) return end_sessions();
  drain_deadline_.arm(loop_, limit, [this] { end_sessions(); });
}

void Supervisor::end_sessions() {
  if (std::exchange(ending_, true)) return finish(0);
  if (sessions() > 0) logger_.warning("ending sessions", log::field("sessions", sessions()));
  end_deadline_.arm(loop_, kEndLimit, [this] { finish(0); });
  for (const auto& worker : workers_) {
    Worker* const there = worker.get();
    there->mailbox().post([there] { there->stop_sessions(session::StopReason::Shutdown); });
  }
}

void Supervisor::part_is_idle() {
  if (++idle_parts_ == workers_.size() + 2) finish(0);
}

std::size_t Supervisor::sessions() const noexcept {
  return std::accumulate(
      workers_.begin(), workers_.end(), std::size_t{0},
      [](std::size_t sum, const auto& worker) { return sum + worker->sessions(); });
}

void Supervisor::finish(int status) {
  status_ = status;
  loop_.stop();
}

// Workers write to each other's mailboxes: none is destroyed before all have ended. A script that
// never ends is aborted here as ever; one that cannot be aborted is left.
void Supervisor::end_workers() {
  const auto limit = Clock::now() + kJoinLimit;
  admin_.abandon();
  http_.end();
  for (const auto& worker : workers_) worker->begin_end();
  for (const auto& worker : workers_) {
    while (!worker->wait_for_end(kWatchInterval)) {
      watch_workers();
      if (Clock::now() > limit) leave_at_once();
    }
  }
}

// Nothing can be destroyed that the stuck thread may use; files are all that outlives the process.
void Supervisor::leave_at_once() {
  logger_.error("ending although a worker is stuck in a script");
  listeners_.close();
  control_.close();
  query_logs_.finish(kLogLimit);
  http_.close();
  ::_exit(status_);
}

// --- watching

void Supervisor::watch_workers() {
  count_generations();
  monitor_.tick();
  http_.tick();
  probe_workers();
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const bool stuck = workers_[i]->check_scripts();
    if (!stuck && worker_stuck_[i] != 0) {
      logger_.notice("worker is back", log::field("worker", i));
    }
    worker_stuck_[i] = stuck ? 1 : 0;
  }
}

void Supervisor::count_generations() noexcept {
  stats::Cell& gauge = registry_.control().generations_alive;
  gauge.add(generations_alive_->load(std::memory_order_relaxed) - gauge.read());
}

// How long each loop takes to come to a message is only asked where somebody wants to know.
void Supervisor::probe_workers() {
  const auto now = Clock::now();
  const bool wanted =
      generation_ && generation_->declaration().has(session::HttpDeclaration::Service::Metrics);
  if (!wanted || now - probed_at_ < kProbeInterval) return;
  probed_at_ = now;
  for (const auto& worker : workers_) {
    Worker* const there = worker.get();
    there->mailbox().post([there, now] { there->note_probe(now); });
  }
}

// Every loop must have answered the last round; a script stuck in C is forgiven for a while.
void Supervisor::feed_watchdog() {
  watchdog_missed_ = watchdog_answers_ == workers_.size() ? 0 : watchdog_missed_ + 1;
  if (watchdog_missed_ <= kPatience) systemd::notify_watchdog();
  watchdog_answers_ = 0;
  for (const auto& worker : workers_) {
    worker->mailbox().post([this] { mailbox_.post([this] { ++watchdog_answers_; }); });
  }
}

}  // namespace perilune::daemon
