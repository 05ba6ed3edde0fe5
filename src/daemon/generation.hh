#pragma once

// daemon: the process: control thread, workers, generations, command line. Puts the parts together
// and contains none of their work.

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "log/query_log.hh"
#include "session/declaration.hh"
#include "session/session.hh"

namespace perilune::daemon {

// What one run of the script declared, once all workers have loaded it and everything it names is
// open. Immutable; alive while a worker or a session uses it.
class Generation {
 public:
  Generation(std::uint64_t number, session::Declaration declaration,
             std::vector<std::shared_ptr<const session::Listener>> listeners,
             std::vector<std::shared_ptr<log::QueryLog>> logs,
             std::shared_ptr<std::atomic<std::uint64_t>> alive);
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;
  ~Generation();

  std::uint64_t number() const noexcept { return number_; }
  const session::Declaration& declaration() const noexcept { return declaration_; }
  const session::ScriptSettings& settings() const noexcept { return declaration_.settings; }
  const std::vector<std::shared_ptr<const session::Listener>>& listeners() const noexcept {
    return listeners_;
  }

  const std::vector<std::shared_ptr<log::QueryLog>>& logs() const noexcept { return logs_; }

 private:
  std::uint64_t number_;
  session::Declaration declaration_;
  std::vector<std::shared_ptr<const session::Listener>> listeners_;
  std::vector<std::shared_ptr<log::QueryLog>> logs_;
  std::shared_ptr<std::atomic<std::uint64_t>> alive_;  // counts generations
};

}  // namespace perilune::daemon
