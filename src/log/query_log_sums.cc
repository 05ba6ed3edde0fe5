#include "log/query_log_sums.hh"

#include <algorithm>

namespace perilune::log {

QueryLogSums sums_of(const QueryLog& log) noexcept {
  const QueryLogCounters& counters = log.counters();
  const auto read = [](const auto& value) { return value.load(std::memory_order_relaxed); };
  QueryLogSums sums{read(counters.written), read(counters.dropped), read(counters.bytes),
                    read(counters.errors), read(counters.high_water)};
  for (const auto& producer : log.producers()) sums.waiting += producer->ring().used();
  return sums;
}

void QueryLogSums::add(const QueryLogSums& more) noexcept {
  written += more.written;
  dropped += more.dropped;
  bytes += more.bytes;
  errors += more.errors;
  high_water = std::max(high_water, more.high_water);
  waiting += more.waiting;
}

}  // namespace perilune::log
