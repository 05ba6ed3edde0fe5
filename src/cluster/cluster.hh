#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cluster/judge.hh"
#include "cluster/node.hh"
#include "cluster/settings.hh"
#include "event/published.hh"
#include "log/logger.hh"
#include "util/bytes.hh"
#include "util/clock.hh"

namespace perilune::cluster {

// A node as a cluster lists it.
struct Member {
  NodeSettings settings;
  std::shared_ptr<Node> node;
  Buffer hashed;  // bytes

  // Its name if it has one.
  std::string text() const { return settings.name.empty() ? node->text() : settings.name; }
};
using Members = std::vector<Member>;

// What a client wants of a cluster.
struct Wish {
  std::string key;                         // consistent_hash
  Buffer source;                           // source_hash: bytes of the client's address
  bool read_only = false;                  // rather a read-only node
  std::optional<net::Endpoint> preferred;  // by the script's function
};

// Nodes that have failed one client; one whose state has changed since counts no more.
class Tried {
 public:
  void add(const Node& node) { tried_.emplace_back(&node, node.changes()); }
  bool contains(const Node& node) const noexcept;

 private:
  std::vector<std::pair<const Node*, std::uint64_t>> tried_;
};

// Where a client is sent, or why nowhere.
struct Choice {
  enum class Lack : std::uint8_t {
    None,
    Unprobed,  // nothing is known to be up, but not everything was probed yet
    Unusable,
    Full,   // max_connections
    Tried,  // there are nodes, but all have failed this client
  };
  std::unique_ptr<Lease> lease;  // null: see `lack`
  Lack lack = Lack::None;
};

// Servers that stand for one another, shared by all workers. All functions may be called from any
// thread.
class Cluster {
 public:
  // Nodes that `before` has too begin as they are there.
  Cluster(Settings settings, const log::Logger& logger, const Cluster* before);
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // As declared; the nodes may be others since.
  const Settings& settings() const noexcept { return *settings_; }
  const std::string& name() const noexcept { return settings_->name; }
  bool is_monitored() const noexcept { return settings_->monitoring.has_value(); }

  // Never null, never empty.
  std::shared_ptr<const Members> members() const { return members_.get(); }
  // Sessions of nodes that are no longer listed go on to their end.
  void set_nodes(std::vector<NodeSettings> nodes);
  // Where clients could be sent now, for a script that is to choose.
  Members usable(const Wish& wish) const;

  // A place at a node for one client. `lack` may go away with time.
  Choice choose(const Wish& wish, const Tried& tried);
  // Whether a client with such a wish would as well be sent where it is.
  bool would_stay(const Node& node, const Wish& wish) const;
  // Without monitoring: whether one may be tried that has not failed shortly before.
  bool is_any_promising() const;
  // Others that may be tried when those have failed.
  std::size_t count_untried(const Tried& tried) const;

  // --- what clients find

  void note_connected(Node& node);
  // `refused`: nothing listens there.
  void note_failure(Node& node, const std::string& reason, bool refused);

  // --- what administrators say

  void drain(Node& node);
  void enable(Node& node);

  // --- what the monitor finds

  void set_health(Node& node, NodeState health, const std::string& reason);
  bool is_any_up() const;

  // Whether nodes are to be probed and names to be looked up: not before a script that declares it
  // has been taken.
  bool is_active() const noexcept { return active_.load(std::memory_order_acquire); }
  void activate() noexcept { active_.store(true, std::memory_order_release); }

  // "127.0.0.2:3306 is down (connection refused), …": why nobody can be sent anywhere.
  std::string describe_state() const;

 private:
  struct Usable {
    const Member* member;
    int worth;  // the larger, the better
  };

  Members make_members(std::vector<NodeSettings> nodes, const Members* known) const;
  int worth_of(const Member& member, const Wish& wish) const noexcept;
  std::vector<Usable> find_usable(const Members& members, const Wish& wish) const;
  bool is_unsettled(const Members& members) const noexcept;
  static void keep_best(std::vector<Usable>& usable, const Wish& wish);
  std::size_t pick(std::span<const Usable> best, const Wish& wish, std::uint64_t turn) const;
  void log_change(const Node& node, NodeState before, NodeState now, const std::string& reason);
  void mind_exhaustion();

  const std::shared_ptr<const Settings> settings_;
  const log::Logger& logger_;
  std::mutex changing_;  // of the list
  event::Published<Members> members_;
  std::atomic<std::uint64_t> turn_{0};
  std::atomic<bool> active_{false};
  std::atomic<bool> exhausted_{false};  // and it was logged
};

}  // namespace perilune::cluster
