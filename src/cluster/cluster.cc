#include "cluster/cluster.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cluster/hash.hh"

namespace perilune::cluster {

namespace {

// What describe_state() names.
constexpr std::size_t kNamedNodes = 4;

// Nodes that differ in their port alone are one to the hash. The first one of them, by the number
// of its port, is hashed as if it were alone: another one beside it takes no client from others.
bool has_lower_twin(const NodeSettings& node, const std::vector<NodeSettings>& nodes) {
  const Buffer bytes = hashed_bytes(node.endpoint);
  return std::ranges::any_of(nodes, [&](const NodeSettings& other) {
    return hashed_bytes(other.endpoint) == bytes &&
           hashed_bytes_with_port(other.endpoint) < hashed_bytes_with_port(node.endpoint);
  });
}

const Member* find_member(const Members& members, const net::Endpoint& endpoint) noexcept {
  const auto found = std::ranges::find_if(
      members, [&endpoint](const Member& member) { return member.settings.endpoint == endpoint; });
  return found == members.end() ? nullptr : &*found;
}

// In the order of the states.
constexpr std::array<const char*, 6> kEvents{"node is down",      "node is auth_failed",
                                             "node is unknown",   "node is read_only",
                                             "node is available", "node is draining"};

}  // namespace

Cluster::Cluster(Settings settings, const log::Logger& logger, const Cluster* before)
    : settings_(std::make_shared<const Settings>(std::move(settings))), logger_(logger) {
  const auto known = before != nullptr ? before->members() : nullptr;
  Members members = make_members(settings_->nodes, nullptr);
  for (Member& member : members) {
    const Member* const twin = known ? find_member(*known, member.settings.endpoint) : nullptr;
    if (twin != nullptr) member.node = std::make_shared<Node>(*twin->node);
  }
  members_.set(std::make_shared<const Members>(std::move(members)));
}

Members Cluster::make_members(std::vector<NodeSettings> nodes, const Members* known) const {
  Members members;
  for (const NodeSettings& node : nodes) {
    Member member;
    const bool is_twin = has_lower_twin(node, nodes);
    member.hashed = is_twin ? hashed_bytes_with_port(node.endpoint) : hashed_bytes(node.endpoint);
    const Member* const before = known != nullptr ? find_member(*known, node.endpoint) : nullptr;
    member.node = before != nullptr ? before->node : std::make_shared<Node>(node.endpoint);
    member.settings = node;
    members.push_back(std::move(member));
  }
  return members;
}

void Cluster::set_nodes(std::vector<NodeSettings> nodes) {
  {
    const std::scoped_lock lock{changing_};
    const auto before = members();
    members_.set(std::make_shared<const Members>(make_members(std::move(nodes), before.get())));
  }
  const auto after = members();
  logger_.notice("nodes are set", log::field("cluster", name()),
                 log::field("nodes", after->size()));
  mind_exhaustion();
}

// --- what clients, administrators and the monitor find

void Cluster::note_connected(Node& node) {
  node.count_attempt(true);
  if (is_monitored()) return;
  node.succeed();
  set_health(node, NodeState::Unknown, {});
}

void Cluster::note_failure(Node& node, const std::string& reason, bool refused) {
  node.count_attempt(false);
  node.want_addresses();
  if (!is_monitored()) node.fail(Clock::now());
  if (!is_monitored() || refused) set_health(node, NodeState::Down, reason);
}

void Cluster::drain(Node& node) {
  const NodeState before = node.health();
  if (!node.set_draining(true)) return;
  log_change(node, before, NodeState::Draining, {});
  mind_exhaustion();
}

void Cluster::enable(Node& node) {
  if (!node.set_draining(false)) return;
  const NodeStatus status = node.status();
  log_change(node, NodeState::Draining, status.state, status.reason);
  mind_exhaustion();
}

void Cluster::set_health(Node& node, NodeState health, const std::string& reason) {
  const auto before = node.set_health(health, reason);
  if (!before) return;
  log_change(node, *before, health, reason);
  mind_exhaustion();
}

bool Cluster::is_any_up() const {
  return std::ranges::any_of(*members(), [](const Member& member) {
    return is_up(member.node->health()) && !member.node->is_draining();
  });
}

std::string Cluster::describe_state() const {
  const auto all = members();
  std::string text;
  for (std::size_t i = 0; i < std::min(all->size(), kNamedNodes); ++i) {
    const NodeStatus status = (*all)[i].node->status();
    if (i > 0) text += ", ";
    text += fmt::format("{} is {}", (*all)[i].text(), name_of(status.state));
    if (!status.reason.empty()) text += fmt::format(" ({})", status.reason);
  }
  if (all->size() > kNamedNodes) text += ", …";
  return text;
}

void Cluster::log_change(const Node& node, NodeState before, NodeState now,
                         const std::string& reason) {
  const bool is_bad = now == NodeState::Down || now == NodeState::AuthFailed;
  const std::string text = node.text();
  const std::array fields{log::field("cluster", name()), log::field("node", text),
                          log::field("was", name_of(before)), log::field("reason", reason)};
  const std::span<const log::Field> all{fields};
  logger_.record(is_bad ? log::Level::Warning : log::Level::Notice,
                 kEvents[static_cast<std::size_t>(now)],
                 reason.empty() ? all.first(all.size() - 1) : all);
}

void Cluster::mind_exhaustion() {
  const auto all = members();
  const bool none = std::ranges::all_of(*all, [](const Member& member) {
    return member.node->is_draining() || member.node->health() == NodeState::Down;
  });
  if (exhausted_.exchange(none) == none) return;
  if (none) {
    const std::string state = describe_state();
    logger_.error("no usable node is left", log::field("cluster", name()),
                  log::field("nodes", state));
  } else {
    logger_.notice("a node is usable again", log::field("cluster", name()));
  }
}

}  // namespace perilune::cluster
