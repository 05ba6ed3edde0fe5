#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "cluster/registry.hh"
#include "daemon/directory.hh"
#include "daemon/generation.hh"
#include "event/published.hh"
#include "log/logger.hh"
#include "log/writer.hh"
#include "stats/metrics.hh"
#include "stats/own_metrics.hh"
#include "util/clock.hh"

namespace perilune::daemon {

// Everything that is counted, as text for Prometheus. To add a kind of thing that is counted: a
// function and a row in exporter.cc.
class Exporter {
 public:
  // All of it outlives the exporter.
  struct Sources {
    const stats::Registry& registry;
    const stats::OwnMetrics& own;
    cluster::Registry& clusters;
    const Branches& branches;
    const log::Writer& logs;
    const log::Logger& logger;
  };

  explicit Exporter(Sources sources) noexcept : sources_(sources) {}
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;

  // A generation has taken over. On the control thread.
  void note(const Generation& generation);

  // From any thread; asks no other one.
  std::string text() const;
  WallTime started_at() const noexcept { return started_at_; }

 private:
  using Limits = std::map<std::string, std::uint64_t>;  // of listeners, where there is one

  const Sources sources_;
  event::Published<Limits> limits_;
  const WallTime started_at_ = std::chrono::system_clock::now();
};

}  // namespace perilune::daemon
