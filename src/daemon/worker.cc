#include "daemon/worker.hh"

#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <exception>
#include <utility>

#include "event/unix_signal.hh"
#include "proto/protocols.hh"
#include "session/run.hh"
#include "util/scope_exit.hh"

namespace perilune::daemon {

namespace {

// How often it is looked whether what sessions left behind has ended.
constexpr Millis kIdleCheck{50};

// Where the generation's listeners stand in a declaration that may list them in another order.
std::vector<std::size_t> match_listeners(const Generation& generation,
                                         const session::Declaration& own) {
  std::vector<std::size_t> indices;
  for (const auto& listener : generation.listeners()) {
    const auto found = std::ranges::find(own.listeners, listener->declaration);
    indices.push_back(static_cast<std::size_t>(found - own.listeners.begin()));
  }
  return indices;
}

}  // namespace

Worker::Worker(unsigned index, WorkerContext context)
    : index_(index),
      context_(context),
      mailbox_(loop_),
      open_sessions_([this] { session_ended(); }),
      directory_(loop_, branch(), context_.branches, context_.logger),
      acceptors_(
          loop_,
          [this](UniqueFd socket, net::Address peer, std::size_t listener) {
            sessions_.fetch_add(1, std::memory_order_relaxed);
            start_session(std::move(socket), peer, listener);
          },
          [this](int error) { report_pause(error); }),
      background_(loop_),
      services_{loop_, background_, context_.logger, context_.metrics, &directory_, index},
      tasks_(loop_),
      thread_([this] {
        event::block_signals({SIGHUP, SIGINT, SIGTERM, SIGUSR1});  // the control thread's
        loop_.run();
        has_ended_.set_value();
      }) {
  const std::string name = "worker " + std::to_string(index);
  pthread_setname_np(thread_.native_handle(), name.c_str());
}

Worker::~Worker() {
  begin_end();
  thread_.join();
  // What they wait for goes before the script does.
  if (current_) current_->host->stop_timers();
  for (const auto& weak : logs_) {
    if (const auto log = weak.lock()) log->producer(index_).set_room_function({});
  }
}

void Worker::begin_end() {
  mailbox_.post([this] { loop_.stop(); });
}

void Worker::hand_over(UniqueFd socket, net::Address peer, std::size_t listener) {
  sessions_.fetch_add(1, std::memory_order_relaxed);
  mailbox_.post([this, socket = std::move(socket), peer, listener]() mutable {
    start_session(std::move(socket), peer, listener);
  });
}

bool Worker::check_scripts() {
  std::erase_if(watches_, [](const auto& watch) { return watch.expired(); });
  bool stuck = false;
  for (const auto& weak : watches_) {
    const auto watch = weak.lock();
    if (!watch) continue;
    const lua::Watch::Report report = watch->check();
    if (report.state != lua::Watch::Report::State::Stuck) continue;
    stuck = true;
    if (!report.is_new) continue;
    context_.logger.error("a worker is stuck in a script that cannot be aborted",
                          log::field("worker", index_), log::field("callback", report.callback));
  }
  return stuck;
}

// --- scripts

void Worker::load(LoadOrder order, event::Reply<Loaded> reply) {
  if (reply.is_awaited()) tasks_.spawn(load_candidate(std::move(order), std::move(reply)));
}

event::Task<> Worker::load_candidate(LoadOrder order, event::Reply<Loaded> reply) {
  Loaded loaded;
  try {
    script::HostOptions options;
    options.path = std::move(order.path);
    options.sources = std::move(order.sources);
    options.worker = index_;
    options.first_worker = index_ == 0;
    options.logger = &context_.logger;
    options.metrics = &context_.metrics;
    options.directory = &directory_;
    options.clusters = &context_.clusters;
    options.systemd_socket_names = std::move(order.systemd_socket_names);
    options.dictionaries = std::move(order.dictionaries);
    options.own_metrics = std::move(order.own_metrics);
    auto script = std::make_shared<Script>();
    script->host = std::make_shared<script::Host>(loop_, std::move(options));
    context_.control.post([this, watch = std::weak_ptr{script->host->share_watch()}]() mutable {
      watches_.push_back(std::move(watch));
    });
    script->declaration = co_await script->host->load();
    loaded.declaration = script->declaration;
    // An asker who gives up later sends discard_candidate() behind it.
    if (reply.is_awaited()) candidate_ = std::move(script);
  } catch (const std::exception& e) {
    loaded.error = e.what();
  }
  reply(std::move(loaded));
}

void Worker::take_over(std::shared_ptr<const Generation> generation) {
  candidate_->own_index = match_listeners(*generation, candidate_->declaration);
  candidate_->host->keep_alive(generation);
  use_logs(generation->logs());
  candidate_->host->open_logs(generation->logs());
  candidate_->generation = std::move(generation);
  candidate_->host->commit();
  std::erase_if(hosts_, [](const auto& host) { return host.expired(); });
  hosts_.push_back(candidate_->host);
  current_ = std::move(candidate_);
  acceptors_.commit();
}

// The writer's thread tells of room in them.
void Worker::use_logs(const std::vector<std::shared_ptr<log::QueryLog>>& logs) {
  std::erase_if(logs_, [](const auto& weak) { return weak.expired(); });
  for (const auto& log : logs) {
    const bool is_known =
        std::ranges::any_of(logs_, [&log](const auto& weak) { return weak.lock() == log; });
    if (is_known) continue;
    log->producer(index_).set_room_function(
        [this] { mailbox_.post([this] { services_.log_outlets.retry(); }); });
    logs_.push_back(log);
  }
}

void Worker::discard_candidate() noexcept {
  candidate_.reset();
  acceptors_.discard();
}

void Worker::call_reload(event::Reply<bool> reply) {
  if (!reply.is_awaited()) return;
  if (!current_->host->has_reload()) {
    reply(false);
    return;
  }
  tasks_.spawn(run_reload(std::move(reply)));
}

event::Task<> Worker::run_reload(event::Reply<bool> reply) {
  const std::shared_ptr<Script> script = current_;
  co_await script->host->call_reload();
  reply(true);
}

// --- sessions

void Worker::prepare_accepting(std::vector<OpenListener> listeners,
                               event::Reply<std::string> reply) {
  if (!reply.is_awaited()) return;
  std::string error;
  try {
    acceptors_.prepare(std::move(listeners));
  } catch (const std::exception& e) {
    error = e.what();
  }
  reply(std::move(error));
}

void Worker::report_pause(int error) {
  context_.metrics.accept_pauses.add();
  if (const auto missed = accept_throttle_.admit(Clock::now())) {
    context_.logger.error("accepting paused", log::field("reason", std::strerror(error)),
                          log::field("suppressed", *missed));
  }
}

// Whatever fails is this one client's misfortune.
void Worker::start_session(UniqueFd socket, net::Address peer, std::size_t listener) {
  try {
    open_session(std::move(socket), peer, listener);
  } catch (const std::exception& e) {
    context_.metrics.connections_rejected.add();
    if (const auto missed = reject_throttle_.admit(Clock::now())) {
      context_.logger.error("a connection was closed: no session could be made for it",
                            log::field("reason", e.what()), log::field("suppressed", *missed));
    }
  }
}

void Worker::open_session(UniqueFd socket, net::Address peer, std::size_t listener) {
  ScopeExit uncount{[this] { uncount_session(); }};
  const auto& shared_listener = current_->generation->listeners()[listener];
  const int fd = socket.value();
  auto client = std::make_unique<net::Stream>(loop_, std::move(socket));
  if (peer.is_tcp()) client->set_no_delay();
  auto session = std::make_unique<session::Session>(services_, shared_listener, next_id(), fd,
                                                    net::SmallAddress{peer});
  session->set_hooks(current_->host->make_hooks(*session, current_->own_index[listener]));
  open_sessions_.enter(*session);
  uncount.disarm();
  session->metrics().connections_accepted.add();
  if (draining_) session->drain();
  const session::Driver& driver = proto::driver_of(shared_listener->declaration.protocol);
  tasks_.spawn(session::run(std::move(session), std::move(client), driver));
}

std::uint32_t Worker::next_id() noexcept {
  return context_.next_session_id.fetch_add(1, std::memory_order_relaxed) | session::kIdBit;
}

void Worker::session_ended() {
  uncount_session();
}

void Worker::uncount_session() {
  if (sessions_.fetch_sub(1, std::memory_order_relaxed) == 1) check_idle();
}

// What sessions leave behind, handshakes with servers, has its own limit.
void Worker::check_idle() {
  if (!idle_ || sessions() > 0) return;
  if (background_.size() > 0) {
    idle_check_.arm(loop_, kIdleCheck, [this] { check_idle(); });
    return;
  }
  auto idle = std::exchange(idle_, {});
  idle();
}

void Worker::note_probe(Clock::time_point sent) {
  context_.metrics.loop_delay.observe(Clock::now() - sent);
  std::uint64_t memory = 0;
  for (const auto& weak : hosts_) {
    if (const auto host = weak.lock()) memory += host->memory_used();
  }
  context_.metrics.lua_memory.set(memory);
}

void Worker::drain() {
  draining_ = true;
  acceptors_.clear();
  open_sessions_.for_each([](session::Session& session) { session.drain(); });
}

void Worker::stop_sessions(session::StopReason reason) {
  open_sessions_.for_each([reason](session::Session& session) { session.stop(reason); });
}

void Worker::when_idle(UniqueFunction<void()> idle) {
  idle_ = std::move(idle);
  check_idle();
}

}  // namespace perilune::daemon
