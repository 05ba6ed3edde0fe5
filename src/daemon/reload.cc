// Generations: load everywhere, prepare, commit. Start-up is the same with nothing before it.

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "daemon/ask_worker.hh"
#include "daemon/supervisor.hh"
#include "daemon/systemd.hh"
#include "proto/protocols.hh"
#include "util/error.hh"

namespace perilune::daemon {

namespace {

constexpr std::uint64_t kManyGenerations = 8;
// For the first look at the servers that listeners are to look like.
constexpr Millis kFirstLook{1000};

}  // namespace

event::Task<> Supervisor::start() {
  sources_ = std::make_shared<lua::Sources>(options_.config);
  session::Declaration declaration = co_await load_everywhere();
  if (declaration.listeners.empty())
    throw ConfigError(options_.config + ": No listeners configured");
  co_await switch_to(std::move(declaration));
  logger_.notice("ready", log::field("workers", workers_.size()),
                 log::field("listeners", generation_->listeners().size()));
  systemd::notify_ready("serving");
}

// One signal at a time: those that come during a load are remembered as one.
event::Task<> Supervisor::reload() {
  reloading_ = true;
  do {
    reload_again_ = false;
    reload_askers_ = std::exchange(reload_waiters_, {});
    systemd::notify_reloading();
    std::string error;
    try {
      co_await reload_once();
    } catch (const std::exception& e) {
      error = e.what();
    }
    if (!error.empty()) {
      discard_candidates();
      logger_.text(log::Level::Error, "reload failed, nothing was changed", error);
    }
    answer_reload(draining_ ? "the daemon is shutting down" : error);
    if (draining_) break;  // systemd was told that the daemon stops
    systemd::notify_ready(error.empty() ? "serving" : "serving; the last reload failed");
  } while (reload_again_);
  reloading_ = false;
}

event::Task<> Supervisor::reload_once() {
  const bool done_by_script = co_await script_reloads_itself();
  if (done_by_script) co_return;
  sources_ = std::make_shared<lua::Sources>(options_.config);
  session::Declaration declaration = co_await load_everywhere();
  if (draining_) co_return;
  if (declaration.listeners.empty())
    throw ConfigError(options_.config + ": No listeners configured");
  co_await switch_to(std::move(declaration));
  if (draining_) co_return;
  report_generations();
  logger_.notice("reloaded", log::field("generation", generation_->number()));
}

event::Task<bool> Supervisor::script_reloads_itself() {
  bool any = false;
  for (const auto& worker : workers_) {
    Worker* const there = worker.get();
    UniqueFunction<void(event::Reply<bool>)> question{
        [there](event::Reply<bool> reply) { there->call_reload(std::move(reply)); }};
    const bool has = co_await ask_worker<bool>(*there, std::move(question));
    any = any || has;
  }
  co_return any;
}

// The first worker's run is the reference; the others run the same bytes, one at a time.
event::Task<session::Declaration> Supervisor::load_everywhere() {
  if (workers_.empty()) start_workers({});
  session::Declaration reference = co_await load_in(*workers_.front());
  sources_->freeze();
  if (!generation_) {
    start_workers(reference);
  } else if (wanted_workers(reference) != workers_.size()) {
    logger_.warning("a changed number of workers takes effect at the next start",
                    log::field("running", workers_.size()),
                    log::field("declared", wanted_workers(reference)));
  }
  for (std::size_t i = 1; i < workers_.size(); ++i) {
    const session::Declaration other = co_await load_in(*workers_[i]);
    if (const auto difference = reference.difference(other)) {
      throw ConfigError(fmt::format("{}: worker {} declares something else than worker 0: {}",
                                    options_.config, i, *difference));
    }
  }
  co_return reference;
}

event::Task<session::Declaration> Supervisor::load_in(Worker& worker) {
  LoadOrder order;
  order.path = options_.config;
  order.sources = sources_;
  order.systemd_socket_names = listeners_.passed_names();
  order.dictionaries = dictionaries_;
  order.own_metrics = own_metrics_;
  UniqueFunction<void(event::Reply<Loaded>)> question{
      [&worker, order = std::move(order)](event::Reply<Loaded> reply) mutable {
        worker.load(std::move(order), std::move(reply));
      }};
  Loaded loaded = co_await ask_worker<Loaded>(worker, std::move(question));
  if (!loaded.declaration) throw ConfigError(loaded.error);
  co_return std::move(*loaded.declaration);
}

// With an empty declaration only the first, which is to find out how many there shall be.
void Supervisor::start_workers(const session::Declaration& first) {
  const unsigned wanted = workers_.empty() ? 1 : wanted_workers(first);
  while (workers_.size() < wanted) {
    const auto index = static_cast<unsigned>(workers_.size());
    workers_.push_back(std::make_unique<Worker>(
        index, WorkerContext{logger_, registry_.worker(index), next_session_id_, mailbox_,
                             branches_, clusters_}));
  }
  auto branches = std::make_shared<std::vector<Branch>>();
  for (const auto& worker : workers_) branches->push_back(worker->branch());
  branches_.set(std::move(branches));
}

unsigned Supervisor::wanted_workers(const session::Declaration& declaration) const {
  const unsigned processors = std::max(1U, std::thread::hardware_concurrency());
  const unsigned by_default = declaration.uses_myproxy_names ? 1U : processors;
  const unsigned wanted =
      options_.workers.value_or(declaration.settings.workers.value_or(by_default));
  return std::clamp(wanted, 1U, kMaxWorkers);
}

void Supervisor::discard_candidates() {
  acceptors_.discard();
  http_.discard();
  for (const auto& worker : workers_) {
    Worker* const there = worker.get();
    there->mailbox().post([there] { there->discard_candidate(); });
  }
}

// What may fail comes first and changes nothing then; the commit cannot fail. A daemon that began
// to drain meanwhile stays with what it has.
event::Task<> Supervisor::switch_to(session::Declaration declaration) {
  std::vector<Sockets> prepared = listeners_.prepare(declaration.listeners);
  Control::Prepared controls = control_.prepare(declaration.controls);
  Opened opened;
  opened.listeners = make_listeners(declaration);
  opened.logs = open_logs(declaration);
  Http::Prepared https = http_.prepare(declaration.https);
  co_await prepare_accepting(prepared);
  for (const auto& cluster : declaration.clusters) cluster->activate();
  co_await monitor_.settle(declaration.clusters, kFirstLook);
  co_await likenesses_.settle(kFirstLook);
  if (draining_) co_return;
  commit(std::move(declaration), std::move(prepared), std::move(controls), std::move(https),
         std::move(opened));
}

// A worker learns of the generation and of its connections, or of where they come from, by one
// message or in this order.
void Supervisor::commit(session::Declaration declaration, std::vector<Sockets> sockets,
                        Control::Prepared controls, Http::Prepared https, Opened opened) {
  gathered_->set_limit(declaration.settings.memory_limit);
  for (const std::string& problem : listeners_.commit(declaration.listeners, std::move(sockets))) {
    logger_.warning("a changed option could not be applied", log::field("reason", problem));
  }
  control_.commit(declaration.controls, std::move(controls));
  http_.commit(std::move(https));
  generation_ = std::make_shared<const Generation>(++generations_made_, std::move(declaration),
                                                   std::move(opened.listeners),
                                                   std::move(opened.logs), generations_alive_);
  count_generations();
  admin_.note(generation_);
  exporter_.note(*generation_);
  for (const auto& worker : workers_) {
    Worker* const there = worker.get();
    there->mailbox().post(
        [there, generation = generation_]() mutable { there->take_over(std::move(generation)); });
  }
  acceptors_.commit();
}

// Equal ones of the generation before are the same objects.
std::vector<std::shared_ptr<log::QueryLog>> Supervisor::open_logs(
    const session::Declaration& declaration) {
  std::vector<std::shared_ptr<log::QueryLog>> logs;
  for (const auto& options : declaration.logs) {
    logs.push_back(query_logs_.open(options, workers_.size()));
  }
  return logs;
}

std::vector<std::shared_ptr<const session::Listener>> Supervisor::make_listeners(
    const session::Declaration& declaration) {
  std::vector<std::shared_ptr<const session::Listener>> listeners;
  for (const auto& declared : declaration.listeners) {
    auto listener = std::make_shared<session::Listener>();
    listener->declaration = declared;
    listener->index = listeners.size();
    const session::Listener* const before = listener_before(declared.where);
    listener->open =
        before != nullptr ? before->open : std::make_shared<std::atomic<std::uint64_t>>(0);
    listener->tls = make_tls(declared, before);
    listener->rsa_key = rsa_key_;
    listener->gathered = gathered_;
    listener->like = likenesses_.of(declared.options.like, declared.options.like_cluster);
    listener->counts = registry_.listener(declared.label);
    listener->generation = generations_made_ + 1;
    listener->times_statements = declaration.has(session::HttpDeclaration::Service::Metrics);
    listener->notes_statements = declaration.has(session::HttpDeclaration::Service::Admin);
    listeners.push_back(std::move(listener));
  }
  return listeners;
}

const session::Listener* Supervisor::listener_before(
    const session::ListenWhere& where) const noexcept {
  if (!generation_) return nullptr;
  for (const auto& listener : generation_->listeners()) {
    if (listener->declaration.where == where) return listener.get();
  }
  return nullptr;
}

// Files are read again by every reload: certificates are renewed.
std::shared_ptr<const net::TlsServer> Supervisor::make_tls(
    const session::ListenerDeclaration& declared, const session::Listener* before) {
  using Certificate = session::ListenerTls::Certificate;
  switch (declared.options.tls.certificate) {
    case Certificate::None:
      return nullptr;
    case Certificate::Files:
      return net::TlsServer::load(declared.options.tls.files,
                                  before != nullptr ? before->tls.get() : nullptr);
    case Certificate::Automatic:
      break;
  }
  if (!self_signed_) self_signed_ = net::TlsServer::make_self_signed();
  return self_signed_;
}

cluster::Monitor::Callbacks Supervisor::monitor_callbacks() {
  cluster::Monitor::Callbacks callbacks;
  callbacks.probe_of = proto::probe_of;
  callbacks.drop_sessions = [this](std::shared_ptr<cluster::Node> node) {
    drop_sessions(std::move(node));
  };
  return callbacks;
}

void Supervisor::drop_sessions(std::shared_ptr<cluster::Node> node) {
  for (const auto& worker : workers_) {
    const Branch there = worker->branch();
    there.mailbox->post([there, node] { session::drop_at(*there.sessions, *node); });
  }
}

void Supervisor::report_generations() {
  const std::uint64_t alive = generations_alive_->load(std::memory_order_relaxed);
  if (alive < kManyGenerations) return;
  logger_.warning("many generations of the configuration are alive: old ones still have sessions",
                  log::field("generations", alive));
}

}  // namespace perilune::daemon
