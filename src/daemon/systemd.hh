#pragma once

// What systemd is told and what it gives, as sd_notify(3) and sd_listen_fds(3) define it. Without
// libsystemd at build time, or not started by systemd, nothing is told and nothing was given.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "util/failure.hh"
#include "util/fd.hh"
#include "util/result.hh"

namespace perilune::daemon::systemd {

// Also ends a reload.
void notify_ready(std::string_view status);
void notify_reloading();
void notify_stopping(std::string_view status);
void notify_status(std::string_view status);
void notify_watchdog() noexcept;

// How long systemd waits between two notify_watchdog() before it kills us; none: it does not watch.
std::optional<std::chrono::microseconds> watchdog_period() noexcept;

struct PassedSocket {
  UniqueFd fd;       // CLOEXEC
  std::string name;  // FileDescriptorName=, "unknown" if systemd gave none
};

// The sockets of socket activation; once: afterwards the environment knows nothing of them.
Result<std::vector<PassedSocket>, Failure> take_passed_sockets();

}  // namespace perilune::daemon::systemd
