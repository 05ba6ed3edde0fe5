#pragma once

// log: the diagnostics of the daemon itself (Output, Logger, Throttle) and, in files of their own,
// the logs of statements. Here belongs what a line looks like and how it leaves the process; who
// decides that something is worth a line is elsewhere. Writing a line never throws.

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string_view>

#include "log/level.hh"

namespace perilune::log {

enum class LineFormat {
  Timed,    // "2026-11-21 05:20:01.123 info …", local time
  Journal,  // "<6>…": the journal has the time already
};

// Where lines go: one write(2) per record, so that those of several threads never mix. Thread-safe;
// outlives every Logger made from it. The descriptor stays its owner's. Lines that cannot be
// written (disk full, reader gone or asleep) are lost and counted; ignoring SIGPIPE is the daemon's
// business.
class Output {
 public:
  // What the descriptor is: how to write to it without waiting.
  enum class Sink : std::uint8_t { File, Pipe, Socket };

  Output(int fd, LineFormat format, Level threshold) noexcept;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  LineFormat format() const noexcept { return format_; }
  bool shows(Level level) const noexcept {
    return level <= threshold_.load(std::memory_order_relaxed);
  }
  void show_up_to(Level threshold) noexcept {
    threshold_.store(threshold, std::memory_order_relaxed);
  }
  void write(std::string_view record) noexcept;
  void count_lost() noexcept { lost_.fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }

 private:
  bool has_room() noexcept;
  ssize_t write_some(std::string_view text) noexcept;
  static constexpr int kPatienceMillis = 100;

  const int fd_;
  const LineFormat format_;
  const Sink sink_;
  std::atomic<Level> threshold_;
  std::atomic<bool> stalled_{false};
  std::atomic<std::uint64_t> lost_{0};
};

// Journal when `fd` is the stream that systemd named in JOURNAL_STREAM ("device:inode").
LineFormat detect_format(int fd) noexcept;

}  // namespace perilune::log
