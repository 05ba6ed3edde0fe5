#include "daemon/admin.hh"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "daemon/admin_json.hh"

namespace perilune::daemon {

namespace {

struct Route {
  std::string_view method;
  std::string_view path;
  HttpResponse (Admin::*answer)(const HttpRequest& request);
};

constexpr Route kRoutes[] = {
    {"GET", "/clusters", &Admin::clusters},
    {"GET", "/generations", &Admin::generations},
    {"GET", "/listeners", &Admin::listeners},
    {"GET", "/logs", &Admin::logs},
    {"GET", "/sessions", &Admin::sessions},
    {"GET", "/status", &Admin::status},
    {"POST", "/drain", &Admin::drain},
    {"POST", "/enable", &Admin::enable},
    {"POST", "/kill", &Admin::kill},
    {"POST", "/reload", &Admin::reload},
    {"POST", "/reopen", &Admin::reopen},
    {"POST", "/shutdown", &Admin::shut_down},
};

}  // namespace

Admin::Admin(Sources sources, Actions actions)
    : sources_(std::move(sources)), actions_(std::move(actions)) {
  generations_.set(std::make_shared<const Generations>());
}

void Admin::note(const std::shared_ptr<const Generation>& generation) {
  Generations known = *generations_.get();
  std::erase_if(known, [](const Loaded& loaded) { return loaded.generation.expired(); });
  known.push_back({generation->number(), std::chrono::system_clock::now(), generation});
  generations_.set(std::make_shared<const Generations>(std::move(known)));
}

std::shared_ptr<const Generation> Admin::current() const {
  const auto known = generations_.get();
  return known->empty() ? nullptr : known->back().generation.lock();
}

HttpResponse Admin::answer(const HttpRequest& request) {
  std::string_view method = request.method;
  if (method == "HEAD") method = "GET";
  const auto* const found = std::ranges::find(kRoutes, request.path, &Route::path);
  if (found == std::end(kRoutes)) return problem(404, "there is no " + request.path);
  if (found->method != method) {
    return problem(405, request.path + " is for " + std::string(found->method));
  }
  try {
    return (this->*found->answer)(request);
  } catch (const std::invalid_argument& error) {
    return problem(400, error.what());
  }
}

void Admin::log_action(const HttpRequest& request, std::string_view what) const {
  sources_.logger.notice("admin action", log::field("action", request.path.substr(1)),
                         log::field("what", what), log::field("peer", request.peer));
}

}  // namespace perilune::daemon
