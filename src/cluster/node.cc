#include "cluster/node.hh"

#include <array>

namespace perilune::cluster {

namespace {

constexpr std::array<const char*, 6> kStateNames{"down",      "auth_failed", "unknown",
                                                 "read_only", "available",   "draining"};

}  // namespace

const char* name_of(NodeState state) noexcept {
  return kStateNames[static_cast<std::size_t>(state)];
}

Node::Node(net::Endpoint endpoint)
    : endpoint_(std::move(endpoint)),
      counts_(std::make_shared<Counts>()),
      since_(std::chrono::system_clock::now()) {}

Node::Node(const Node& before)
    : endpoint_(before.endpoint_),
      health_(before.health()),
      draining_(before.is_draining()),
      counts_(before.counts_) {
  const std::scoped_lock lock{before.mutex_};
  reason_ = before.reason_;
  since_ = before.since_;
  backoff_ = before.backoff_;
  addresses_ = before.addresses_;
}

NodeStatus Node::status() const {
  const std::scoped_lock lock{mutex_};
  const bool draining = is_draining();
  return {draining ? NodeState::Draining : health(), reason_, since_};
}

std::optional<NodeState> Node::set_health(NodeState health, const std::string& reason) {
  const std::scoped_lock lock{mutex_};
  const NodeState before = health_.exchange(health, std::memory_order_relaxed);
  reason_ = reason;
  if (before == health) return std::nullopt;
  since_ = std::chrono::system_clock::now();
  changes_.fetch_add(1, std::memory_order_release);
  return before;
}

bool Node::set_draining(bool draining) {
  const std::scoped_lock lock{mutex_};
  if (draining_.exchange(draining, std::memory_order_relaxed) == draining) return false;
  since_ = std::chrono::system_clock::now();
  changes_.fetch_add(1, std::memory_order_release);
  return true;
}

std::vector<net::Address> Node::addresses() const {
  const std::scoped_lock lock{mutex_};
  return addresses_;
}

void Node::set_addresses(std::vector<net::Address> addresses) {
  const std::scoped_lock lock{mutex_};
  addresses_ = std::move(addresses);
}

bool Node::is_avoided(Clock::time_point now) const {
  const std::scoped_lock lock{mutex_};
  return !backoff_.is_over(now);
}

void Node::begin_trial(Clock::time_point now) {
  const std::scoped_lock lock{mutex_};
  backoff_.begin_trial(now);
}

void Node::fail(Clock::time_point now) {
  const std::scoped_lock lock{mutex_};
  backoff_.fail(now);
}

void Node::succeed() {
  const std::scoped_lock lock{mutex_};
  backoff_.succeed();
}

bool Node::enter(std::uint64_t limit) noexcept {
  std::uint64_t open = sessions();
  do {
    if (limit > 0 && open >= limit) return false;
  } while (!counts_->sessions.compare_exchange_weak(open, open + 1, std::memory_order_relaxed));
  return true;
}

}  // namespace perilune::cluster
