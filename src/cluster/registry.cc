#include "cluster/registry.hh"

#include <algorithm>
#include <utility>

namespace perilune::cluster {

namespace {

bool has_node_of(const Cluster& cluster, const Settings& settings) {
  const auto members = cluster.members();
  return std::ranges::any_of(*members, [&settings](const Member& member) {
    return std::ranges::find(settings.nodes, member.settings.endpoint, &NodeSettings::endpoint) !=
           settings.nodes.end();
  });
}

// What is known of a node depends on how it was probed.
bool is_probed_alike(const Settings& one, const Settings& other) noexcept {
  if (one.monitoring.has_value() != other.monitoring.has_value()) return false;
  return !one.monitoring || (one.monitoring->user == other.monitoring->user &&
                             one.monitoring->no_read_only == other.monitoring->no_read_only);
}

}  // namespace

std::shared_ptr<Cluster> Registry::find_or_make(Settings settings) {
  const std::scoped_lock lock{mutex_};
  std::erase_if(clusters_, [](const auto& weak) { return weak.expired(); });
  for (const auto& weak : clusters_) {
    auto cluster = weak.lock();
    if (cluster && is_same(cluster->settings(), settings)) return cluster;
  }
  const auto before = predecessor_of(settings);
  auto made = std::make_shared<Cluster>(std::move(settings), logger_, before.get());
  clusters_.push_back(made);
  return made;
}

std::shared_ptr<Cluster> Registry::predecessor_of(const Settings& settings) {
  for (auto weak = clusters_.rbegin(); weak != clusters_.rend(); ++weak) {
    auto cluster = weak->lock();
    const bool alike = cluster && cluster->settings().protocol == settings.protocol &&
                       is_probed_alike(cluster->settings(), settings);
    if (alike && has_node_of(*cluster, settings)) return cluster;
  }
  return nullptr;
}

std::vector<std::shared_ptr<Cluster>> Registry::all() {
  std::vector<std::shared_ptr<Cluster>> alive;
  const std::scoped_lock lock{mutex_};
  for (const auto& weak : clusters_) {
    if (auto cluster = weak.lock()) alive.push_back(std::move(cluster));
  }
  return alive;
}

}  // namespace perilune::cluster
