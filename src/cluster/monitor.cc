#include "cluster/monitor.hh"

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

#include "event/first_of.hh"
#include "event/timer.hh"
#include "net/connect.hh"
#include "util/scope_exit.hh"

namespace perilune::cluster {

namespace {

constexpr Millis kIdleCheck{50};
constexpr Millis kSettleCheck{10};
constexpr Millis kResolveLimit{10000};

Judge judge_of(const Cluster& cluster) noexcept {
  const auto& monitoring = cluster.settings().monitoring;
  return monitoring ? Judge{monitoring->rise, monitoring->fall} : Judge{1, 1};
}

bool is_name(const Node& node) noexcept {
  return std::holds_alternative<net::HostName>(node.endpoint());
}

}  // namespace

Monitor::Watched::Watched(const std::shared_ptr<Cluster>& in, std::shared_ptr<Node> what)
    : cluster(in), node(std::move(what)), judge(judge_of(*in)) {}

Monitor::Monitor(event::Loop& loop, Registry& registry, const log::Logger& logger,
                 Callbacks callbacks)
    : loop_(loop),
      registry_(registry),
      logger_(logger),
      callbacks_(std::move(callbacks)),
      background_(loop),
      tasks_(loop) {}

void Monitor::tick() {
  if (stopped_) return;
  forget_gone();
  const auto now = Clock::now();
  for (const auto& cluster : registry_.all()) {
    if (!cluster->is_active()) continue;
    const auto members = cluster->members();
    for (const Member& member : *members) {
      auto& watched = watched_[{cluster.get(), member.node.get()}];
      if (!watched) watched = std::make_shared<Watched>(cluster, member.node);
      tend(*cluster, watched, now);
    }
  }
}

void Monitor::forget_gone() {
  std::erase_if(watched_, [](const auto& entry) {
    const auto cluster = entry.second->cluster.lock();
    if (!cluster) return true;
    const auto members = cluster->members();
    return std::ranges::find(*members, entry.second->node, &Member::node) == members->end();
  });
}

// A name is looked up before it is probed for the first time.
void Monitor::tend(Cluster& cluster, const std::shared_ptr<Watched>& watched,
                   Clock::time_point now) {
  Watched& it = *watched;
  if (is_name(*it.node) && !it.resolving) {
    const bool wanted = it.node->take_wish_for_addresses();
    if (wanted) it.resolve_due = std::min(it.resolve_due, now + kResolveAgain);
    if (now >= it.resolve_due) tasks_.spawn(resolve(it.cluster.lock(), watched));
  }
  const bool anxious = !cluster.is_any_up();
  const bool is_due = now >= it.probe_due || (anxious && now >= it.probed_at + kAnxious);
  const bool may_probe = cluster.is_monitored() && !it.probing && !it.resolving;
  if (may_probe && is_due) tasks_.spawn(probe(it.cluster.lock(), watched));
}

event::Task<> Monitor::probe(std::shared_ptr<Cluster> cluster, std::shared_ptr<Watched> watched) {
  ++under_way_;
  watched->probing = true;
  const ScopeExit over([this, &watched] {
    --under_way_;
    watched->probing = false;
  });
  const ProbeSettings& settings = *cluster->settings().monitoring;
  Node& node = *watched->node;
  ProbeOrder order{loop_, background_, settings, node.endpoint(), node.addresses()};
  Finding finding;
  try {
    auto probing = callbacks_.probe_of(cluster->settings().protocol)(std::move(order));
    finding = co_await std::move(probing);
  } catch (const std::exception& e) {
    finding = {NodeState::Down, e.what(), false};
  }
  if (!is_up(finding.state)) node.want_addresses();
  const NodeState state = watched->judge.judge(node.health(), finding, !cluster->is_any_up());
  // Good news about a node that is not believed yet say nothing about why it is down.
  if (is_up(state) == is_up(finding.state)) cluster->set_health(node, state, finding.reason);
  watched->probed_at = Clock::now();
  watched->probe_due = watched->probed_at + jittered(settings.interval);
  if (cluster->settings().disconnect_unavailable) drop_outdone(*cluster, node);
}

event::Task<> Monitor::resolve(std::shared_ptr<Cluster> cluster, std::shared_ptr<Watched> watched) {
  ++under_way_;
  watched->resolving = true;
  const ScopeExit over([this, &watched] {
    --under_way_;
    watched->resolving = false;
    watched->resolve_due = Clock::now() + kResolveEvery;
  });
  Node& node = *watched->node;
  std::string problem;
  try {
    auto looking = net::resolve(loop_, std::get<net::HostName>(node.endpoint()));
    auto found = co_await event::within(loop_, kResolveLimit, std::move(looking));
    if (found) node.set_addresses(std::move(*found));
    if (!found) problem = "timed out";
  } catch (const std::exception& e) {
    problem = e.what();
  }
  const bool is_bad = !problem.empty();
  if (std::exchange(watched->unresolvable, is_bad) == is_bad) co_return;
  const std::string name = node.text();
  if (is_bad) {
    logger_.warning("a node's name cannot be resolved", log::field("cluster", cluster->name()),
                    log::field("node", name), log::field("reason", problem));
  } else {
    logger_.notice("a node's name can be resolved again", log::field("cluster", cluster->name()),
                   log::field("node", name));
  }
}

// myproxy's rule: when a better node is there, the sessions of this one; else those of all that are
// worse. Nodes that drain take no part.
void Monitor::drop_outdone(const Cluster& cluster, const Node& probed) {
  const auto members = cluster.members();
  std::vector<std::shared_ptr<Node>> worse;
  std::shared_ptr<Node> self;
  bool better = false;
  for (const Member& member : *members) {
    if (member.node->is_draining()) continue;
    if (member.node.get() == &probed) self = member.node;
    if (member.node->health() > probed.health()) better = true;
    if (member.node->health() < probed.health()) worse.push_back(member.node);
  }
  if (!self) return;
  if (better) worse = {self};
  for (auto& node : worse) {
    if (node->sessions() > 0) callbacks_.drop_sessions(std::move(node));
  }
}

// Evenly spread over a fifth, so that many probes do not come to go in step.
Millis Monitor::jittered(Millis interval) {
  std::uniform_real_distribution<double> spread{0.9, 1.1};
  return Millis{static_cast<Millis::rep>(static_cast<double>(interval.count()) * spread(random_))};
}

event::Task<> Monitor::settle(std::vector<std::shared_ptr<Cluster>> clusters, Millis limit) {
  const auto end = Clock::now() + limit;
  tick();
  while (!is_settled(clusters) && Clock::now() < end) {
    co_await event::Sleep(loop_, kSettleCheck);
    tick();
  }
}

bool Monitor::is_settled(const std::vector<std::shared_ptr<Cluster>>& clusters) const {
  return std::ranges::all_of(clusters, [](const auto& cluster) {
    const auto members = cluster->members();
    return !cluster->is_monitored() || std::ranges::none_of(*members, [](const Member& member) {
      return member.node->health() == NodeState::Unknown;
    });
  });
}

void Monitor::stop(UniqueFunction<void()> idle) {
  stopped_ = true;
  idle_ = std::move(idle);
  check_idle();
}

void Monitor::check_idle() {
  if (under_way_ > 0 || background_.size() > 0) {
    idle_check_.arm(loop_, kIdleCheck, [this] { check_idle(); });
    return;
  }
  auto idle = std::exchange(idle_, {});
  idle();
}

}  // namespace perilune::cluster
