#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "log/logger.hh"
#include "log/query_log.hh"
#include "log/query_log_sums.hh"
#include "log/throttle.hh"

namespace perilune::log {

// The thread that writes all logs of statements, and the logs it has. The thread begins with the
// first one.
class Writer {
 public:
  // Opens a destination; throws ConfigError.
  using MakeSink = std::unique_ptr<Sink> (*)(const QueryLogOptions& options);

  Writer(MakeSink make_sink, const Logger& logger);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer();

  // The log with these options: the present one, or a new one. A log that nobody has any more is
  // closed once it is written. Throws ConfigError.
  std::shared_ptr<QueryLog> open(const QueryLogOptions& options, std::size_t workers);

  // --- any thread
  // Files may have been renamed.
  void reopen() noexcept;
  struct View {
    QueryLogOptions options;
    QueryLogSums sums;
  };
  // The logs that are open.
  std::vector<View> logs() const;
  // By target, of the whole process: what a log has counted stays when it is closed. (Of targets
  // that are gone the oldest are forgotten when there are more than kMostGone.)
  static constexpr std::size_t kMostGone = 256;
  struct Total {
    std::string target;
    QueryLogSums sums;
  };
  std::vector<Total> totals() const;

  // --- the owner's thread
  // Writes what is left, no longer than that, and ends. Nobody may push any more.
  void finish(Millis limit);

 private:
  struct Entry {
    explicit Entry(std::shared_ptr<QueryLog> its_log) : log(std::move(its_log)) {}
    std::shared_ptr<QueryLog> log;
    Clock::time_point retry_at{};  // after an error
    Millis back_off{0};            // the next one; zero: no error
    bool has_more = false;
    bool is_busy = false;  // the destination
    std::uint64_t reported_drops = 0;
    Throttle throttle{Millis{10000}};
  };

  void run();
  std::vector<Entry*> entries();
  void look_at(Entry& entry);
  bool drain(Entry& entry, Producer& producer);
  void take(Entry& entry, Producer& producer, const Sink::Outcome& outcome);
  void failed(Entry& entry, int error);
  void reopen_all();
  void report_drops(Entry& entry);
  void retire();
  void remember(const QueryLog& log);
  bool is_all_written();
  void wait();
  int millis_to_wait(const std::vector<Entry*>& all, Clock::time_point now) const;
  void drop_rest();

  const MakeSink make_sink_;
  const Logger logger_;
  Waker waker_;
  mutable std::mutex mutex_;  // of entries_, not of what they hold, and gone_
  std::vector<std::unique_ptr<Entry>> entries_;
  std::vector<Total> gone_;
  std::atomic<bool> reopens_{false};
  std::atomic<bool> finishes_{false};
  Clock::time_point finish_by_{};  // set before finishes_
  std::size_t moved_ = 0;          // bytes in this round
  std::vector<Ring::Item> items_;
  std::thread thread_;
};

}  // namespace perilune::log
