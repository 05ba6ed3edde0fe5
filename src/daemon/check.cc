#include "daemon/check.hh"

#include <unistd.h>

#include <cstdio>
#include <exception>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "daemon/http.hh"
#include "event/loop.hh"
#include "event/task_group.hh"
#include "lua/sources.hh"
#include "lua/watch.hh"
#include "script/host.hh"
#include "stats/metrics.hh"

namespace perilune::daemon {

namespace {

constexpr Millis kWatchInterval{100};

struct Outcome {
  std::string description;
  std::string error;
};

// Does what the control thread does for workers: aborts Lua code that never ends. What cannot be
// aborted ends the process once it has taken longer than a load may by default.
class Watcher {
 public:
  Watcher(std::shared_ptr<lua::Watch> watch, std::string path)
      : watch_(std::move(watch)), path_(std::move(path)), thread_([this] { look(); }) {}
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;
  ~Watcher() {
    loaded_.set_value();
    thread_.join();
  }

 private:
  void look() {
    const auto limit = Clock::now() + session::ScriptSettings{}.load_timeout;
    const auto loaded = loaded_.get_future();
    while (loaded.wait_for(kWatchInterval) != std::future_status::ready) {
      const lua::Watch::Report report = watch_->check();
      if (report.state == lua::Watch::Report::State::Stuck && Clock::now() > limit) give_up(report);
    }
  }

  [[noreturn]] void give_up(const lua::Watch::Report& report) const {
    std::fprintf(stderr, "%s: %s is stuck\n", path_.c_str(), report.callback);
    ::_exit(kExitConfig);
  }

  std::shared_ptr<lua::Watch> watch_;
  std::string path_;
  std::promise<void> loaded_;
  std::thread thread_;
};

void check_certificates(const session::Declaration& declaration) {
  for (const auto& listener : declaration.listeners) {
    const session::ListenerTls& tls = listener.options.tls;
    if (tls.certificate != session::ListenerTls::Certificate::Files) continue;
    net::TlsServer::load(tls.files, nullptr);
  }
}

void check_tokens(const session::Declaration& declaration) {
  for (const auto& http : declaration.https) {
    if (!http.token_file.empty()) read_token(http.token_file);
  }
}

event::Task<> load(event::Loop& loop, script::Host& host, Outcome& outcome) {
  try {
    const session::Declaration declaration = co_await host.load();
    outcome.description = host.describe();
    check_certificates(declaration);
    check_tokens(declaration);
    if (declaration.listeners.empty()) outcome.error = "No listeners configured";
  } catch (const std::exception& e) {
    outcome.error = e.what();
  }
  loop.stop();
}

}  // namespace

int check_configuration(const Options& options, const log::Logger& logger) {
  event::Loop loop;
  stats::Registry registry{1};
  Outcome outcome;
  {
    script::HostOptions host_options;
    host_options.path = options.config;
    host_options.sources = std::make_shared<lua::Sources>(options.config);
    host_options.first_worker = true;
    host_options.logger = &logger;
    host_options.metrics = &registry.worker(0);
    host_options.check_only = true;
    const auto host = std::make_shared<script::Host>(loop, std::move(host_options));
    const Watcher watcher{host->share_watch(), options.config};
    event::TaskGroup tasks{loop};
    tasks.spawn(load(loop, *host, outcome));
    loop.run();
  }
  if (!outcome.error.empty()) {
    std::fprintf(stderr, "%s\n", outcome.error.c_str());
    return kExitConfig;
  }
  std::fputs(outcome.description.c_str(), stdout);
  return 0;
}

}  // namespace perilune::daemon
