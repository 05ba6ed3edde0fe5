#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "log/record.hh"
#include "util/bytes.hh"
#include "util/clock.hh"

namespace perilune::session {

// What a log knows of a statement on its way, whatever the protocol.
struct StatementCourse {
  // A new one, of which the last byte is there; gives memory back.
  void begin(WallTime wall_time, Clock::time_point now) noexcept;
  void answer_begins(Clock::time_point now) noexcept {
    if (!first) first = now;
  }
  void add_rows(std::uint64_t more) noexcept { rows = rows.value_or(0) + more; }
  void add_affected(std::uint64_t more) noexcept { affected = affected.value_or(0) + more; }
  // The record of a statement that ends now. Refers to `original`.
  void describe(log::Record& record, Clock::time_point now) const noexcept;

  WallTime time{};                         // when its last byte was there…
  Clock::time_point sent{};                // …by the clock that nobody sets
  std::optional<Clock::time_point> first;  // byte of its answer
  std::optional<std::uint64_t> rows;
  std::optional<std::uint64_t> affected;
  std::string original;  // what the client has sent, where the server got something else
  std::uint64_t original_size = 0;
};

// Keeps the beginning of what arrives in pieces.
class Gathering {
 public:
  // Of what follows at most `most` bytes are kept.
  void begin(std::size_t most) noexcept;
  void take(Bytes piece);
  // What was kept, which the caller may take away.
  std::string& kept() noexcept { return kept_; }
  const std::string& kept() const noexcept { return kept_; }
  std::uint64_t size() const noexcept { return size_; }  // of all
  // More has come than was seen here.
  void set_size(std::uint64_t size) noexcept { size_ = size; }
  bool is_cut() const noexcept { return size_ > kept_.size(); }
  // Much memory is given back.
  void forget() noexcept;

 private:
  std::string kept_;
  std::uint64_t size_ = 0;
  std::size_t most_ = 0;
};

}  // namespace perilune::session
