#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "cluster/cluster.hh"
#include "log/logger.hh"

namespace perilune::cluster {

// The clusters of the process: the same declaration is the same object, in all workers and through
// reloads, for as long as somebody refers to it. All functions may be called from any thread.
class Registry {
 public:
  explicit Registry(const log::Logger& logger) noexcept : logger_(logger) {}
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // A new one takes over what is known of its nodes from the latest one that has any of them and
  // probes them likewise.
  std::shared_ptr<Cluster> find_or_make(Settings settings);

  std::vector<std::shared_ptr<Cluster>> all();

 private:
  std::shared_ptr<Cluster> predecessor_of(const Settings& settings);

  const log::Logger& logger_;
  std::mutex mutex_;
  std::vector<std::weak_ptr<Cluster>> clusters_;  // in the order of their making
};

}  // namespace perilune::cluster
