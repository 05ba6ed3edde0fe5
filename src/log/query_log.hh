#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "log/formats.hh"
#include "log/query_log_options.hh"
#include "log/ring.hh"
#include "log/sink.hh"
#include "util/unique_function.hh"

namespace perilune::log {

// Wakes the writer's thread; thread-safe, cheap while it is awake anyway.
class Waker {
 public:
  Waker();
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;
  ~Waker();

  void wake() noexcept;
  int fd() const noexcept { return fd_; }
  void reset() noexcept;  // the writer's: before it looks

 private:
  int fd_;
  std::atomic<bool> pending_{false};
};

struct QueryLogCounters {
  std::atomic<std::uint64_t> written{0};
  std::atomic<std::uint64_t> dropped{0};
  std::atomic<std::uint64_t> bytes{0};       // written
  std::atomic<std::uint64_t> errors{0};      // of the destination
  std::atomic<std::uint64_t> high_water{0};  // most bytes that a queue has held
};

class QueryLog;

// One worker's way into a log.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): the ring's cache lines
class Producer {
 public:
  Producer(QueryLog& log, Waker& waker);
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  // --- the worker's thread
  // False: the queue is full, and the room function will be called once there is room.
  bool push(std::string_view bytes, std::uint32_t session) noexcept;
  // It is told to the sink behind what was pushed, and cannot be lost.
  void end_session(std::uint32_t session);
  bool can_ever_hold(std::size_t size) const noexcept { return ring_.can_ever_hold(size); }
  void count_dropped(std::uint64_t items = 1) noexcept;
  const QueryLog& log() const noexcept { return log_; }
  // Called by the writer's thread; empty: nobody waits any more.
  void set_room_function(UniqueFunction<void()> function);

  // --- the writer's thread
  Ring& ring() noexcept { return ring_; }
  void tell_room();
  struct EndOfSession {
    std::uint64_t position;  // in the ring
    std::uint32_t session;
  };
  std::optional<EndOfSession> next_end();
  void pop_end();

 private:
  QueryLog& log_;
  Waker& waker_;
  Ring ring_;
  std::atomic<bool> awaits_room_{false};
  std::atomic<bool> has_ends_{false};
  std::mutex mutex_;  // of what follows
  std::deque<EndOfSession> ends_;
  UniqueFunction<void()> room_;
};

// A log of statements: shared by all generations that declare the same one.
class QueryLog {
 public:
  QueryLog(QueryLogOptions options, std::unique_ptr<Sink> sink, Waker& waker, std::size_t workers);
  QueryLog(const QueryLog&) = delete;
  QueryLog& operator=(const QueryLog&) = delete;

  const QueryLogOptions& options() const noexcept { return options_; }
  Format format() const noexcept { return format_; }
  QueryLogCounters& counters() noexcept { return counters_; }
  const QueryLogCounters& counters() const noexcept { return counters_; }
  Producer& producer(std::size_t worker) { return *producers_[worker]; }

  // --- the writer's thread
  Sink& sink() noexcept { return *sink_; }
  const std::vector<std::unique_ptr<Producer>>& producers() const noexcept { return producers_; }

 private:
  const QueryLogOptions options_;
  const Format format_;
  QueryLogCounters counters_;
  std::unique_ptr<Sink> sink_;
  std::vector<std::unique_ptr<Producer>> producers_;
};

}  // namespace perilune::log
