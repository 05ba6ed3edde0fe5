// What is asked of the control thread over HTTP.

#include <utility>

#include "daemon/supervisor.hh"

namespace perilune::daemon {

namespace {

HttpResponse plain(unsigned status, std::string body) {
  return {status, "text/plain; version=0.0.4; charset=utf-8", std::move(body)};
}

HttpResponse show_metrics(const Exporter& exporter, const HttpRequest& request) {
  if (request.method != "GET" && request.method != "HEAD") return plain(405, "only GET\n");
  const bool is_known = request.path == "/metrics" || request.path == "/";
  return is_known ? plain(200, exporter.text()) : plain(404, "try /metrics\n");
}

}  // namespace

Http::Handlers Supervisor::http_handlers() {
  Http::Handlers handlers;
  handlers.metrics = [this](const HttpRequest& request) {
    return show_metrics(exporter_, request);
  };
  handlers.admin = [this](const HttpRequest& request) { return admin_.answer(request); };
  return handlers;
}

Admin::Actions Supervisor::admin_actions() {
  Admin::Actions actions;
  actions.reload = [this](UniqueFunction<void(std::string)> done) { reload_for(std::move(done)); };
  actions.shut_down = [this](bool at_once) {
    if (!draining_) on_stop_signal();
    if (at_once && draining_ && !ending_) end_sessions();
  };
  actions.empty_node = [this](std::shared_ptr<const cluster::Node> node) {
    if (!generation_) return;
    Worker& worker = *workers_.front();
    const Millis limit = generation_->settings().drain_timeout;
    worker.mailbox().post([&worker, limit, node = std::move(node)]() mutable {
      worker.empty_node(std::move(node), limit);
    });
  };
  return actions;
}

void Supervisor::reload_for(UniqueFunction<void(std::string)> done) {
  if (draining_) return done("the daemon is shutting down");
  reload_waiters_.push_back(std::move(done));
  on_reload_signal();
}

void Supervisor::answer_reload(const std::string& error) {
  for (auto& done : std::exchange(reload_askers_, {})) done(error);
}

}  // namespace perilune::daemon
