// What Admin does.

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "daemon/admin.hh"
#include "daemon/admin_ask.hh"
#include "daemon/admin_json.hh"
#include "session/directory.hh"
#include "session/session.hh"
#include "util/parse.hh"

namespace perilune::daemon {

namespace {

// Longer than a script may take to load, unless its settings say otherwise.
constexpr Millis kReloadLimit{180000};

const std::string* argument(const HttpRequest& request, const std::string& name) {
  const auto found = request.arguments.find(name);
  return found != request.arguments.end() && !found->second.empty() ? &found->second : nullptr;
}

// Throws std::invalid_argument for anything but these.
void check_arguments(const HttpRequest& request, std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : request.arguments) {
    if (std::ranges::find(known, name) == known.end()) {
      throw std::invalid_argument("unknown argument: " + name);
    }
  }
}

bool is_set(const HttpRequest& request, const std::string& name) {
  const std::string* const value = argument(request, name);
  return value != nullptr && *value != "0" && *value != "false";
}

struct Found {
  std::shared_ptr<cluster::Cluster> cluster;
  cluster::Member member;
};

// In a cluster of that name, or in all; by the node's name or address.
std::vector<Found> find_nodes(cluster::Registry& clusters, const std::string* cluster,
                              const std::string& node) {
  std::vector<Found> found;
  for (const auto& each : clusters.all()) {
    if (!each->is_active() || (cluster != nullptr && each->name() != *cluster)) continue;
    const auto members = each->members();
    for (const cluster::Member& member : *members) {
      if (member.text() == node || member.node->text() == node) found.push_back({each, member});
    }
  }
  return found;
}

}  // namespace

HttpResponse Admin::kill(const HttpRequest& request) {
  check_arguments(request, {"account", "session"});
  const std::string* const account = argument(request, "account");
  const std::string* const session = argument(request, "session");
  if ((account == nullptr) == (session == nullptr)) {
    return problem(400, "either 'session' or 'account' is needed");
  }
  std::uint32_t id = 0;
  if (session != nullptr) {
    const auto number = parse_unsigned(*session, ~0U);
    if (!number) return problem(400, "session: " + number.error().message);
    id = static_cast<std::uint32_t>(*number);
  }
  std::vector<unsigned> silent;
  const auto counts = ask_workers<std::size_t>(
      [id, name = account != nullptr ? *account : std::string()](const Branch& there) {
        if (name.empty()) return std::size_t{session::disconnect(*there.sessions, id) ? 1U : 0U};
        return session::stop_account(*there.sessions, name, session::StopReason::Disconnect);
      },
      silent);
  const auto closed = std::accumulate(counts.begin(), counts.end(), std::size_t{0});
  log_action(request, session != nullptr ? *session : *account);
  const Json json{{"closed", closed}, {"silent_workers", silent}};
  if (closed == 0 && session != nullptr) return problem(404, "there is no session " + *session);
  return json_response(json);
}

HttpResponse Admin::drain(const HttpRequest& request) { return change_nodes(request, true); }
HttpResponse Admin::enable(const HttpRequest& request) { return change_nodes(request, false); }

HttpResponse Admin::change_nodes(const HttpRequest& request, bool drains) {
  check_arguments(request, {"close", "cluster", "node"});
  const std::string* const node = argument(request, "node");
  if (node == nullptr) return problem(400, "'node' is needed");
  const auto found = find_nodes(sources_.clusters, argument(request, "cluster"), *node);
  if (found.empty()) return problem(404, "there is no node " + *node);
  log_action(request, *node);
  const bool closes = drains && is_set(request, "close");
  Json changed = Json::array();
  for (const Found& each : found) {
    if (drains) {
      each.cluster->drain(*each.member.node);
    } else {
      each.cluster->enable(*each.member.node);
    }
    if (closes) {
      sources_.control.post([this, node = each.member.node] { actions_.empty_node(node); });
    }
    changed.push_back({{"cluster", each.cluster->name()},
                       {"node", each.member.text()},
                       {"state", cluster::name_of(each.member.node->status().state)}});
  }
  return json_response({{"nodes", std::move(changed)}});
}

HttpResponse Admin::reload(const HttpRequest& request) {
  check_arguments(request, {});
  log_action(request, sources_.config);
  const auto answers = std::make_shared<Answers<std::string>>(1);
  sources_.control.post([this, answers] {
    actions_.reload([answers](std::string error) { answers->take(0, std::move(error)); });
  });
  const auto said = answers->wait(kReloadLimit, abandoned_);
  if (!said.front()) return problem(503, "the daemon did not say what came of it");
  if (!said.front()->empty()) return problem(409, *said.front());
  const auto generation = current();
  return json_response({{"generation", generation ? generation->number() : 0}});
}

// By the writer's thread, soon.
HttpResponse Admin::reopen(const HttpRequest& request) {
  check_arguments(request, {});
  const std::size_t count = sources_.logs.logs().size();
  log_action(request, std::to_string(count));
  sources_.logs.reopen();
  return json_response({{"reopening", count}}, 202);
}

HttpResponse Admin::shut_down(const HttpRequest& request) {
  check_arguments(request, {"now"});
  const bool at_once = is_set(request, "now");
  log_action(request, at_once ? "at once" : "drain");
  sources_.control.post([this, at_once] { actions_.shut_down(at_once); });
  return json_response({{"shutting_down", true}}, 202);
}

}  // namespace perilune::daemon
