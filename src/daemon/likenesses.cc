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

}  // namespace

Likenesses::Likenesses(event::Loop& loop, const log::Logger& logger)
    : loop_(loop), logger_(logger), background_(loop), tasks_(loop) {}

std::shared_ptr<const session::PublishedLikeness> Likenesses::of(
    const std::vector<net::Endpoint>& servers) {
  if (servers.empty()) return nullptr;
  std::erase_if(watched_, [](const auto& weak) { return weak.expired(); });
  for (const auto& weak : watched_) {
    const auto watched = weak.lock();
    if (watched->servers != servers) continue;
    if (auto wanted = watched->wanted.lock()) return wanted;
  }
  auto wanted = std::make_shared<session::PublishedLikeness>();
  auto watched = std::make_shared<Watched>(loop_);
  watched->servers = servers;
  watched->seen.resize(servers.size());
  watched->away.resize(servers.size(), 0);
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
    for (std::size_t i = 0; i < watched->servers.size() && !stopped_; ++i) {
      co_await probe(*watched, i);
    }
    publish(*watched);
    watched->tried.set();
    const bool any_away = std::ranges::find(watched->away, 1) != watched->away.end();
    const Millis pause = any_away ? kRetry : kInterval;
    co_await event::Sleep(loop_, pause);
  }
}

event::Task<> Likenesses::probe(Watched& watched, std::size_t i) {
  ++probes_;
  const ScopeExit over([this] { --probes_; });
  std::string problem;
  try {
    watched.seen[i] =
        co_await proto::mysql::probe(loop_, background_, watched.servers[i], kProbeLimit);
  } catch (const std::exception& e) {
    problem = e.what();
  }
  report(watched, i, problem);
}

void Likenesses::report(Watched& watched, std::size_t i, const std::string& problem) {
  const bool is_away = !problem.empty();
  const bool was_away = std::exchange(watched.away[i], is_away ? 1 : 0) != 0;
  if (is_away == was_away) return;
  const std::string server = net::text_of(watched.servers[i]);
  if (is_away) {
    logger_.warning("a server to look like is away", log::field("server", server),
                    log::field("reason", problem));
  } else {
    logger_.notice("a server to look like is back", log::field("server", server));
  }
}

void Likenesses::publish(const Watched& watched) {
  const auto wanted = watched.wanted.lock();
  std::shared_ptr<session::Likeness> common;
  for (const auto& seen : watched.seen) {
    if (!seen) continue;
    if (common) {
      common->capabilities &= seen->capabilities;
    } else {
      common = std::make_shared<session::Likeness>(*seen);
    }
  }
  if (wanted && common) wanted->set(std::move(common));
}

}  // namespace perilune::daemon
