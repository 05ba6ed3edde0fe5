#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "event/bell.hh"
#include "event/latch.hh"
#include "event/loop.hh"
#include "event/task.hh"
#include "event/task_group.hh"
#include "log/logger.hh"
#include "pg/connection.hh"
#include "pg/conninfo.hh"
#include "util/unique_function.hh"

namespace perilune::pg {

struct PoolOptions {
  std::string schema;  // the search path; empty: the server's default
  unsigned connections = 1;
};

// Connections to one database, made on first need and again when they are lost: at once, then with
// growing pauses, and at once whenever a query comes. Queries are taken in the order in which they
// came. An attempt that fails fails the query that waits longest; the others go on waiting.
class Pool {
 public:
  static constexpr Millis kFirstPause{1000};
  static constexpr Millis kLongestPause{30000};

  // The logger outlives the pool.
  Pool(event::Loop& loop, const log::Logger& logger, Conninfo conninfo, PoolOptions options);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool();  // what waits in execute() must be gone

  // Waits for its turn and for the answer. Destroying the task cancels the query at the server.
  static event::Task<Answer> execute(std::shared_ptr<Pool> pool, Query query);

  // Calls `notified` for the notifications of a channel, and whenever the connection had to be made
  // again since then: some may have been missed. False: the channel has a listener. The function is
  // called from the loop and must not destroy the pool.
  bool listen(std::string channel, UniqueFunction<void()> notified);

 private:
  enum class State : std::uint8_t { Connecting, Idle, Busy, Pausing };
  struct Request;
  struct Slot;
  struct Channel {
    std::string name;
    UniqueFunction<void()> notified;
    bool registered = false;  // on the present connection
    bool missed = false;      // there may have been notifications that nobody got
    Millis retry_at{0};       // the server refused to register it
  };

  void enqueue(Request& request);
  void forget(Request& request) noexcept;
  Request* take_oldest() noexcept;
  void find_a_slot();
  Slot* find(State state) noexcept;
  bool has_connection() const noexcept;
  void add_slot();

  event::Task<> serve(Slot& slot);
  event::Task<bool> connect(Slot& slot);
  void refuse(const std::string& reason);
  event::Task<> open(Slot& slot);
  event::Task<std::vector<Host>> look_hosts_up();
  event::Task<> set_search_path(Connection& connection);
  event::Task<> use(Slot& slot);
  event::Task<> work(Slot& slot);
  event::Task<> answer(Slot& slot, Request& request);
  event::Task<> wait_for_work(Slot& slot);
  event::Task<> receive(Slot& slot);
  event::Task<> pause(Slot& slot);
  Millis next_pause(const Slot& slot);

  event::Task<> register_channels(Slot& slot);
  event::Task<> register_channel(Slot& slot, std::size_t index);
  bool listens(const Slot& slot) const noexcept;
  bool has_refused_channels() const noexcept;
  void forget_registrations() noexcept;
  void notify(std::string_view channel);

  void report_outage(const std::string& reason);
  void report_return();

  event::Loop& loop_;
  const log::Logger& logger_;
  const Conninfo conninfo_;
  const PoolOptions options_;
  std::deque<Request*> queue_;  // whose owners wait in execute()
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Channel> channels_;
  bool is_away_ = false;  // and the log says so
  std::minstd_rand random_{std::random_device{}()};
  event::TaskGroup tasks_;
};

}  // namespace perilune::pg
