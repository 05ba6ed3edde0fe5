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
  history_ = before.history_;
  backoff_ = before.backoff_;
  addresses_ = before.addresses_;
}

NodeStatus Node::status() const {
  const std::scoped_lock lock{mutex_};
  const bool draining = is_draining();
  return {draining ? NodeState::Draining : health(), reason_, since_};
}

std::vector<NodeStatus> Node::history() const {
  const std::scoped_lock lock{mutex_};
  return {history_.begin(), history_.end()};
}

// Of the caller's lock.
void Node::remember() {
  history_.push_front({is_draining() ? NodeState::Draining : health(), reason_, since_});
  if (history_.size() > kHistory) history_.pop_back();
}

stats::NodeSum Node::traffic() const {
  stats::NodeSum sum;
  counts_->traffic.for_each([&sum](std::size_t, const stats::NodeCells& cells) {
    sum.statements += cells.statements.read();
    sum.to_server += cells.to_server.read();
    sum.from_server += cells.from_server.read();
  });
  return sum;
}

std::optional<NodeState> Node::set_health(NodeState health, const std::string& reason) {
  const std::scoped_lock lock{mutex_};
  const NodeState before = this->health();
  if (before != health) remember();
  health_.store(health, std::memory_order_relaxed);
  reason_ = reason;
  if (before == health) return std::nullopt;
  since_ = std::chrono::system_clock::now();
  changes_.fetch_add(1, std::memory_order_release);
  return before;
}

bool Node::set_draining(bool draining) {
  const std::scoped_lock lock{mutex_};
  if (is_draining() == draining) return false;
  remember();
  draining_.store(draining, std::memory_order_relaxed);
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
