#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "event/loop.hh"
#include "event/mailbox.hh"
#include "event/published.hh"
#include "event/task_group.hh"
#include "log/logger.hh"
#include "log/throttle.hh"
#include "session/directory.hh"
#include "session/session_list.hh"

namespace perilune::daemon {

// A worker as the others know it: its sessions are touched on the thread that reads its mailbox.
struct Branch {
  unsigned worker = 0;
  event::Mailbox* mailbox = nullptr;
  session::SessionList* sessions = nullptr;
};

// Those of all workers. What it points to must live for as long as any worker's loop turns: the
// supervisor destroys no worker before all their loops have ended.
using Branches = event::Published<std::vector<Branch>>;

// One worker's view of the sessions of all: its own are looked at directly, the others' workers
// are asked by mail. A worker that has ended already never answers, one that ends drops its
// questions together with the tasks that wait.
class Directory final : public session::Directory {
 public:
  // For a worker that is busy with a script's computation.
  static constexpr Millis kPatience{2000};

  Directory(event::Loop& loop, Branch own, const Branches& branches, const log::Logger& logger,
            Millis patience = kPatience)
      : loop_(loop),
        own_(own),
        branches_(branches),
        logger_(logger),
        patience_(patience),
        tasks_(loop) {}
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  event::Task<std::vector<session::SessionRow>> all() override;
  event::Task<bool> disconnect(std::uint32_t id) override;
  event::Task<std::optional<session::ServerThread>> thread_of(std::uint32_t id) override;
  event::Task<std::optional<session::CancelTarget>> cancel_target(std::uint32_t id,
                                                                  Buffer key) override;
  void empty_node(std::shared_ptr<const cluster::Node> node, Millis limit) override;
  session::SessionList& local() noexcept override { return *own_.sessions; }

 private:
  // Calls function(SessionList&) on each worker's thread, soon.
  template <typename Function>
  void tell_all(Function function);
  event::Task<> empty_later(std::shared_ptr<const cluster::Node> node, Millis limit);
  std::vector<Branch> others() const;
  void report_silence(unsigned worker);

  template <typename T>
  struct Asked;
  template <typename T, typename Look, typename Suffices>
  std::shared_ptr<Asked<T>> ask_others(Look look, Suffices suffices);
  template <typename T>
  event::Task<std::vector<T>> answers_of(std::shared_ptr<Asked<T>> asked);

  event::Loop& loop_;
  const Branch own_;
  const Branches& branches_;
  const log::Logger& logger_;
  const Millis patience_;
  log::Throttle throttle_{Millis{10000}};
  event::TaskGroup tasks_;
};

}  // namespace perilune::daemon
