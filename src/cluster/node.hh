#pragma once

// cluster: servers that stand for one another: which there are, how they are, who is sent to which.
// No protocol's messages, no sessions and no Lua: probes come from the protocols by an interface.

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cluster/backoff.hh"
#include "net/address.hh"
#include "stats/node_cells.hh"
#include "stats/per_worker.hh"
#include "util/clock.hh"

namespace perilune::cluster {

// In the order of their worth for clients, as myproxy has it; the last is no finding but an
// administrator's wish.
enum class NodeState : std::uint8_t { Down, AuthFailed, Unknown, ReadOnly, Available, Draining };

// "auth_failed": as scripts and logs show it.
const char* name_of(NodeState state) noexcept;

struct NodeStatus {
  NodeState state = NodeState::Unknown;
  std::string reason;  // why it is not available; empty: nothing to say
  WallTime since;
};

// A server of a cluster. All functions may be called from any thread.
class Node {
 public:
  explicit Node(net::Endpoint endpoint);
  // The same server in another cluster: as it was found there, and its sessions are counted
  // together.
  explicit Node(const Node& before);
  Node& operator=(const Node&) = delete;

  const net::Endpoint& endpoint() const noexcept { return endpoint_; }
  std::string text() const { return net::text_of(endpoint_); }

  // As probes and clients have found it.
  NodeState health() const noexcept { return health_.load(std::memory_order_relaxed); }
  bool is_draining() const noexcept { return draining_.load(std::memory_order_relaxed); }
  NodeStatus status() const;
  // What it was before, the latest first; at most kHistory.
  std::vector<NodeStatus> history() const;
  static constexpr std::size_t kHistory = 16;
  // Counts the changes of what status() says.
  std::uint64_t changes() const noexcept { return changes_.load(std::memory_order_acquire); }

  // What was there before; nothing when it was the same.
  std::optional<NodeState> set_health(NodeState health, const std::string& reason);
  // False when it was the same.
  bool set_draining(bool draining);

  // --- its addresses, if it is a host name

  // As found last; empty: not yet.
  std::vector<net::Address> addresses() const;
  void set_addresses(std::vector<net::Address> addresses);
  // Somebody could not connect: what the name means may have changed.
  void want_addresses() noexcept { wants_addresses_.store(true, std::memory_order_relaxed); }
  bool take_wish_for_addresses() noexcept {
    return wants_addresses_.exchange(false, std::memory_order_relaxed);
  }

  // --- without monitoring

  bool is_avoided(Clock::time_point now) const;
  void begin_trial(Clock::time_point now);
  void fail(Clock::time_point now);
  void succeed();

  // --- sessions

  // False: it has that many already; zero: no limit.
  bool enter(std::uint64_t limit) noexcept;
  void leave() noexcept { counts_->sessions.fetch_sub(1, std::memory_order_relaxed); }
  std::uint64_t sessions() const noexcept {
    return counts_->sessions.load(std::memory_order_relaxed);
  }
  // Whether their sessions are counted together.
  bool is_same_server(const Node& other) const noexcept { return counts_ == other.counts_; }

  // Attempts of clients to connect, since the process knows the node.
  void count_attempt(bool succeeded) noexcept {
    (succeeded ? counts_->connected : counts_->failed).fetch_add(1, std::memory_order_relaxed);
  }
  std::uint64_t connected() const noexcept {
    return counts_->connected.load(std::memory_order_relaxed);
  }
  std::uint64_t failed() const noexcept { return counts_->failed.load(std::memory_order_relaxed); }

  // What passes to and from it; on that worker's thread.
  stats::NodeCells& cells(std::size_t worker) { return counts_->traffic.of(worker); }
  stats::NodeSum traffic() const;

 private:
  const net::Endpoint endpoint_;
  std::atomic<NodeState> health_{NodeState::Unknown};
  std::atomic<bool> draining_{false};
  std::atomic<bool> wants_addresses_{false};
  std::atomic<std::uint64_t> changes_{0};
  struct Counts {
    std::atomic<std::uint64_t> sessions{0};
    std::atomic<std::uint64_t> connected{0};
    std::atomic<std::uint64_t> failed{0};
    stats::PerWorker<stats::NodeCells> traffic;
  };
  std::shared_ptr<Counts> counts_;

  mutable std::mutex mutex_;  // of what follows; held for copies only
  void remember();

  std::string reason_;
  WallTime since_;
  std::deque<NodeStatus> history_;
  Backoff backoff_;
  std::vector<net::Address> addresses_;
};

struct Settings;

// A session's place at a node, from the choice to the session's end.
class Lease {
 public:
  // The node was entered for it.
  Lease(std::shared_ptr<Node> node, bool read_only,
        std::shared_ptr<const Settings> settings) noexcept
      : node_(std::move(node)), settings_(std::move(settings)), read_only_(read_only) {}
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() { node_->leave(); }

  Node& node() const noexcept { return *node_; }
  // The session wanted a read-only node in the first place.
  bool is_read_only() const noexcept { return read_only_; }
  // The cluster's, which may be gone meanwhile; null: not said.
  const std::shared_ptr<const Settings>& settings() const noexcept { return settings_; }

 private:
  std::shared_ptr<Node> node_;
  std::shared_ptr<const Settings> settings_;
  bool read_only_;
};

}  // namespace perilune::cluster
