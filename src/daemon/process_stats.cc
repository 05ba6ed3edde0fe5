#include "daemon/process_stats.hh"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

namespace perilune::daemon {

namespace {

std::uint64_t count_entries(const char* folder) {
  std::error_code problem;
  const std::filesystem::directory_iterator entries{folder, problem};
  if (problem) return 0;
  return static_cast<std::uint64_t>(std::distance(begin(entries), end(entries)));
}

double seconds(const timeval& time) noexcept {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

ProcessStats read_process_stats() {
  ProcessStats stats;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    stats.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  std::ifstream memory{"/proc/self/statm"};
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  if (memory >> all >> resident) {
    stats.virtual_bytes = all * page;
    stats.resident_bytes = resident * page;
  }
  stats.open_descriptors = count_entries("/proc/self/fd");
  stats.threads = count_entries("/proc/self/task");
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) stats.most_descriptors = limit.rlim_cur;
  return stats;
}

}  // namespace perilune::daemon
