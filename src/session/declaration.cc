#include "session/declaration.hh"

#include <fmt/format.h>

#include <algorithm>

#include "cluster/cluster.hh"

namespace perilune::session {

namespace {

using Listeners = std::vector<ListenerDeclaration>;
using Logs = std::vector<log::QueryLogOptions>;

const ListenerDeclaration* find_where(const Listeners& listeners, const ListenWhere& where) {
  const auto found = std::ranges::find(listeners, where, &ListenerDeclaration::where);
  return found == listeners.end() ? nullptr : &*found;
}

// What `ours` has and `theirs` has not, or not in the same way.
std::optional<std::string> missing(const Listeners& ours, const Listeners& theirs) {
  for (const ListenerDeclaration& listener : ours) {
    const ListenerDeclaration* other = find_where(theirs, listener.where);
    if (other == nullptr) return fmt::format("the listener on {} is missing", listener.label);
    if (other->options != listener.options) {
      return fmt::format("the listener on {} has other options", listener.label);
    }
    if (other->callbacks != listener.callbacks) {
      return fmt::format("the listener on {} has other callbacks", listener.label);
    }
    if (*other != listener) return fmt::format("the listener on {} is another", listener.label);
  }
  return std::nullopt;
}

std::optional<std::string> missing(const std::vector<ControlDeclaration>& ours,
                                   const std::vector<ControlDeclaration>& theirs) {
  for (const ControlDeclaration& control : ours) {
    if (std::ranges::find(theirs, control) != theirs.end()) continue;
    return fmt::format("control_listen on {} is missing or another", control.label);
  }
  return std::nullopt;
}

std::optional<std::string> missing(const std::vector<HttpDeclaration>& ours,
                                   const std::vector<HttpDeclaration>& theirs) {
  for (const HttpDeclaration& http : ours) {
    if (std::ranges::find(theirs, http) != theirs.end()) continue;
    return fmt::format("{} on {} is missing or another", name_of(http.service), http.label);
  }
  return std::nullopt;
}

using Clusters = std::vector<std::shared_ptr<cluster::Cluster>>;

std::optional<std::string> missing(const Clusters& ours, const Clusters& theirs) {
  for (const auto& cluster : ours) {
    if (std::ranges::find(theirs, cluster) != theirs.end()) continue;
    return fmt::format("the cluster {} is missing or another", cluster->name());
  }
  return std::nullopt;
}

std::optional<std::string> missing(const Logs& ours, const Logs& theirs) {
  const auto lost = std::ranges::find_if(ours, [&theirs](const auto& log) {
    return std::ranges::find(theirs, log) == theirs.end();
  });
  if (lost == ours.end()) return std::nullopt;
  return fmt::format("the log {} is missing or has other options", lost->target);
}

}  // namespace

const char* name_of(Protocol protocol) noexcept {
  switch (protocol) {
    case Protocol::Mysql:
      return "mysql";
    case Protocol::Pgsql:
      return "pgsql";
    case Protocol::Tcp:
      break;
  }
  return "tcp";
}

const char* name_of(HttpDeclaration::Service service) noexcept {
  return service == HttpDeclaration::Service::Metrics ? "prometheus_listen" : "admin_listen";
}

bool Declaration::has(HttpDeclaration::Service service) const noexcept {
  return std::ranges::find(https, service, &HttpDeclaration::service) != https.end();
}

bool ProxyPeers::contains(const net::Address& peer) const noexcept {
  if (peer.is_unix()) return local;
  return std::ranges::any_of(networks, [&peer](const auto& net) { return net.contains(peer); });
}

std::optional<std::string> Declaration::difference(const Declaration& other) const {
  if (settings != other.settings) return "the settings differ";
  if (const auto lacking = missing(listeners, other.listeners)) return lacking;
  if (const auto extra = missing(other.listeners, listeners)) return "additionally, " + *extra;
  if (const auto lacking = missing(controls, other.controls)) return lacking;
  if (const auto extra = missing(other.controls, controls)) return "additionally, " + *extra;
  if (const auto lacking = missing(https, other.https)) return lacking;
  if (const auto extra = missing(other.https, https)) return "additionally, " + *extra;
  if (const auto lacking = missing(clusters, other.clusters)) return lacking;
  if (const auto extra = missing(other.clusters, clusters)) return "additionally, " + *extra;
  if (listeners.size() != other.listeners.size()) return "the number of listeners differs";
  if (const auto lacking = missing(logs, other.logs)) return lacking;
  if (const auto extra = missing(other.logs, logs)) return "additionally, " + *extra;
  return std::nullopt;
}

}  // namespace perilune::session
