#include "log/level.hh"

#include <algorithm>

namespace perilune::log {

std::string_view level_name(Level level) noexcept {
  switch (level) {
    case Level::Error:
      return "error";
    case Level::Warning:
      return "warning";
    case Level::Notice:
      return "notice";
    case Level::Info:
      return "info";
    case Level::Debug:
      return "debug";
  }
  return "unknown";
}

Level threshold_for(int verbosity) noexcept {
  constexpr int kMost = static_cast<int>(Level::Debug) - static_cast<int>(Level::Info);
  constexpr int kLeast = static_cast<int>(Level::Error) - static_cast<int>(Level::Info);
  return static_cast<Level>(static_cast<int>(Level::Info) + std::clamp(verbosity, kLeast, kMost));
}

}  // namespace perilune::log
