#include "daemon/likenesses.hh"

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

#include "event/first_of.hh"
#include "event/timer.hh"
#include "proto/mysql/probe.hh"
#include "util/scope_exit.hh"

namespace perilune::daemon {

namespace {

constexpr Millis kInterval{10000};
// While a server is away.
constexpr Millis kRetry{1000};
constexpr Millis kProbeLimit{1000};
constexpr Millis kIdleCheck{50};

event::Task<> until(event::Latch& latch) { co_await latch; }

// What is known of a server stays with it.
template <typename Servers>
Servers listed(const std::vector<net::Endpoint>& endpoints, const Servers& known) {
  Servers servers;
  for (const net::Endpoint& endpoint : endpoints) {
    const auto same = [&endpoint](const auto& server) { return server.endpoint == endpoint; };
    const auto found = std::ranges::find_if(known, same);
    found != known.end() ? servers.push_back(*found) : servers.push_back({endpoint, {}, false});
  }
  return servers;
}

std::vector<net::Endpoint> endpoints_of(const cluster::Members& members) {
  std::vector<net::Endpoint> endpoints;
  for (const cluster::Member& member : members) endpoints.push_back(member.settings.endpoint);
  return endpoints;
}

}  // namespace

Likenesses::Likenesses(event::Loop& loop, const log::Logger& logger)
    : loop_(loop), logger_(logger), background_(loop), tasks_(loop) {}

Likenesses::Published Likenesses::of(const std::vector<net::Endpoint>& servers,
                                     const std::shared_ptr<const cluster::Cluster>& cluster) {
  if (servers.empty() && !cluster) return nullptr;
  std::erase_if(watched_, [](const auto& weak) { return weak.expired(); });
  for (const auto& weak : watched_) {
    const auto watched = weak.lock();
    if (watched->cluster != cluster || watched->declared != servers) continue;
    if (auto wanted = watched->wanted.lock()) return wanted;
  }
  auto wanted = std::make_shared<session::PublishedLikeness>();
  auto watched = std::make_shared<Watched>(loop_);
  watched->cluster = cluster;
  watched->declared = servers;
  watched->servers = listed(servers, watched->servers);
  watched->wanted = wanted;
  watched_.push_back(watched);
  tasks_.spawn(watch(std::move(watched)));
  return wanted;
}

event::Task<> Likenesses::settle(Millis limit) {
  const auto end = Clock::now() + limit;
  const auto all = watched_;
  for (const auto& weak : all) {
    const auto watched = weak.lock();
    const auto left = std::chrono::duration_cast<Millis>(end - Clock::now());
    if (!watched || left <= Millis{}) continue;
    auto waiting = until(watched->tried);
    co_await event::within(loop_, left, std::move(waiting));
  }
}

void Likenesses::stop(UniqueFunction<void()> idle) {
  stopped_ = true;
  idle_ = std::move(idle);
  check_idle();
}

void Likenesses::check_idle() {
  if (probes_ > 0 || background_.size() > 0) {
    idle_check_.arm(loop_, kIdleCheck, [this] { check_idle(); });
    return;
  }
  auto idle = std::exchange(idle_, {});
  idle();
}

event::Task<> Likenesses::watch(std::shared_ptr<Watched> watched) {
  while (!stopped_ && !watched->wanted.expired()) {
    if (watched->cluster) {
      watched->members = watched->cluster->members();
      watched->servers = listed(endpoints_of(*watched->members), watched->servers);
    }
    for (std::size_t i = 0; i < watched->servers.size() && !stopped_; ++i) {
      co_await probe(watched->servers[i]);
    }
    publish(*watched);
    watched->tried.set();
    co_await pause(*watched);
  }
}

// A cluster may be given other nodes meanwhile.
event::Task<> Likenesses::pause(const Watched& watched) {
  const bool any_away = std::ranges::any_of(watched.servers, &Server::away);
  const auto end = Clock::now() + (any_away ? kRetry : kInterval);
  while (Clock::now() < end && !stopped_ && !watched.wanted.expired()) {
    co_await event::Sleep(loop_, kRetry);
    if (watched.cluster && watched.cluster->members() != watched.members) co_return;
  }
}

event::Task<> Likenesses::probe(Server& server) {
  ++probes_;
  const ScopeExit over([this] { --probes_; });
  std::string problem;
  try {
    server.seen = co_await proto::mysql::probe(loop_, background_, server.endpoint, kProbeLimit);
  } catch (const std::exception& e) {
    problem = e.what();
  }
  report(server, problem);
}

void Likenesses::report(Server& server, const std::string& problem) {
  const bool is_away = !problem.empty();
  if (std::exchange(server.away, is_away) == is_away) return;
  const std::string name = net::text_of(server.endpoint);
  if (is_away) {
    logger_.warning("a server to look like is away", log::field("server", name),
                    log::field("reason", problem));
  } else {
    logger_.notice("a server to look like is back", log::field("server", name));
  }
}

void Likenesses::publish(const Watched& watched) {
  const auto wanted = watched.wanted.lock();
  std::shared_ptr<session::Likeness> common;
  for (const Server& server : watched.servers) {
    if (!server.seen) continue;
    if (common) {
      common->capabilities &= server.seen->capabilities;
    } else {
      common = std::make_shared<session::Likeness>(*server.seen);
    }
  }
  if (wanted && common) wanted->set(std::move(common));
}

}  // namespace perilune::daemon
