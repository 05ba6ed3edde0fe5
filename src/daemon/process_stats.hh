#pragma once

#include <cstdint>

namespace perilune::daemon {

// What the kernel says of this process; zeros where it says nothing.
struct ProcessStats {
  double cpu_seconds = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_descriptors = 0;
  std::uint64_t most_descriptors = 0;
  std::uint64_t threads = 0;
};

ProcessStats read_process_stats();

}  // namespace perilune::daemon
