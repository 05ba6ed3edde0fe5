#include "daemon/generation.hh"

#include <utility>

namespace perilune::daemon {

Generation::Generation(std::uint64_t number, session::Declaration declaration,
                       std::vector<std::shared_ptr<const session::Listener>> listeners,
                       std::vector<std::shared_ptr<log::QueryLog>> logs,
                       std::shared_ptr<std::atomic<std::uint64_t>> alive)
    : number_(number),
      declaration_(std::move(declaration)),
      listeners_(std::move(listeners)),
      logs_(std::move(logs)),
      alive_(std::move(alive)) {
  alive_->fetch_add(1, std::memory_order_relaxed);
}

Generation::~Generation() { alive_->fetch_sub(1, std::memory_order_relaxed); }

}  // namespace perilune::daemon
