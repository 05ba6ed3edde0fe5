#include "util/error.hh"

#include <system_error>

namespace perilune {

SystemError::SystemError(const std::string& what, int errno_value)
    : std::runtime_error(what + ": " + std::generic_category().message(errno_value)),
      code_(errno_value) {}

}  // namespace perilune
