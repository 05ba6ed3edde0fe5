#pragma once

#include <string_view>

namespace perilune::log {

// The numbers of syslog(3), which systemd's "<N>" prefix uses too.
enum class Level : int { Error = 3, Warning = 4, Notice = 5, Info = 6, Debug = 7 };

std::string_view level_name(Level level) noexcept;

// What -v and -q given `verbosity` times (negative: -q) leave visible; without them Info.
Level threshold_for(int verbosity) noexcept;

}  // namespace perilune::log
