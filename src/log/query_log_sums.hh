#pragma once

#include <cstdint>

#include "log/query_log.hh"

namespace perilune::log {

// The counters at one moment, of one log or several.
struct QueryLogSums {
  std::uint64_t written = 0;
  std::uint64_t dropped = 0;
  std::uint64_t bytes = 0;
  std::uint64_t errors = 0;
  std::uint64_t high_water = 0;
  std::uint64_t waiting = 0;  // bytes in the queues

  void add(const QueryLogSums& more) noexcept;
};

// From any thread.
QueryLogSums sums_of(const QueryLog& log) noexcept;

}  // namespace perilune::log
