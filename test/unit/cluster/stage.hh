#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cluster/cluster.hh"
#include "log/logger.hh"
#include "unit/log/capture.hh"

namespace perilune::cluster::test {

inline net::Endpoint endpoint(std::string_view text) { return *net::parse_endpoint(text, 3306); }

inline std::vector<NodeSettings> nodes(const std::vector<std::string>& texts) {
  std::vector<NodeSettings> nodes;
  for (const std::string& text : texts) {
    NodeSettings node;
    node.endpoint = endpoint(text);
    nodes.push_back(std::move(node));
  }
  return nodes;
}

inline Settings plain(const std::vector<std::string>& texts) {
  Settings settings;
  settings.protocol = "mysql";
  settings.name = "test";
  settings.nodes = nodes(texts);
  return settings;
}

inline Settings monitored(const std::vector<std::string>& texts) {
  Settings settings = plain(texts);
  settings.monitoring.emplace();
  return settings;
}

inline Settings with_policy(Settings settings, std::string_view policy) {
  settings.policy = find_policy(policy);
  return settings;
}

// A cluster, and what it says in the log.
struct Stage {
  explicit Stage(Settings settings)
      : cluster(std::make_shared<Cluster>(std::move(settings), logger, nullptr)) {}

  Node& node(std::size_t index) { return *(*cluster->members())[index].node; }
  void set(std::size_t index, NodeState health) {
    cluster->set_health(node(index), health, "test");
  }
  // The address that a client is sent to; "none": nowhere.
  std::string choose(const Wish& wish = {}, const Tried& tried = {}) {
    const Choice choice = cluster->choose(wish, tried);
    return choice.lease ? choice.lease->node().text() : "none";
  }
  Choice::Lack lack(const Tried& tried = {}) { return cluster->choose({}, tried).lack; }

  perilune::test::Capture capture;
  log::Output output{capture.fd(), log::LineFormat::Timed, log::Level::Debug};
  log::Logger logger{output};
  std::shared_ptr<Cluster> cluster;
};

inline Wish with_key(std::string key) {
  Wish wish;
  wish.key = std::move(key);
  return wish;
}

}  // namespace perilune::cluster::test
