#include "daemon/limits.hh"

#include <sys/resource.h>

#include <cerrno>
#include <system_error>

namespace perilune::daemon {

Result<std::uint64_t, Failure> raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return Failure{"getrlimit(RLIMIT_NOFILE): " + std::generic_category().message(errno)};
  }
  if (limit.rlim_cur == limit.rlim_max) return std::uint64_t{limit.rlim_cur};
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return Failure{"setrlimit(RLIMIT_NOFILE): " + std::generic_category().message(errno)};
  }
  return std::uint64_t{limit.rlim_cur};
}

}  // namespace perilune::daemon
