#include "daemon/systemd.hh"

#if PERILUNE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <system_error>

#include "util/clock.hh"
#include "util/text.hh"

namespace perilune::daemon::systemd {

namespace {

// A state is text of lines: a line feed in a message would begin another assignment.
void append_status(std::string& state, std::string_view status) {
  if (status.empty()) return;
  state.append("\nSTATUS=");
  append_escaped(state, status);
}

#if PERILUNE_SYSTEMD

// That systemd cannot be told is nothing that the daemon could mend.
void notify(const std::string& state) noexcept { sd_notify(0, state.c_str()); }

std::string monotonic_usec() {
  // steady_clock is CLOCK_MONOTONIC, which is what systemd compares with.
  const auto now =
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now().time_since_epoch());
  return std::to_string(now.count());
}

struct FreeNames {
  void operator()(char** names) const noexcept {
    if (names == nullptr) return;
    for (char** name = names; *name != nullptr; ++name) std::free(*name);
    std::free(names);
  }
};

#else

void notify(const std::string&) noexcept {}
std::string monotonic_usec() { return "0"; }

#endif

}  // namespace

void notify_ready(std::string_view status) {
  std::string state = "READY=1";
  append_status(state, status);
  notify(state);
}

void notify_reloading() { notify("RELOADING=1\nMONOTONIC_USEC=" + monotonic_usec()); }

void notify_stopping(std::string_view status) {
  std::string state = "STOPPING=1";
  append_status(state, status);
  notify(state);
}

void notify_status(std::string_view status) {
  std::string state = "STATUS=";
  append_escaped(state, status);
  notify(state);
}

void notify_watchdog() noexcept { notify("WATCHDOG=1"); }

#if PERILUNE_SYSTEMD

std::optional<std::chrono::microseconds> watchdog_period() noexcept {
  std::uint64_t period = 0;
  // Also compares WATCHDOG_PID with our own.
  if (sd_watchdog_enabled(0, &period) <= 0) return std::nullopt;
  return std::chrono::microseconds(period);
}

Result<std::vector<PassedSocket>, Failure> take_passed_sockets() {
  char** raw_names = nullptr;
  const int count = sd_listen_fds_with_names(1, &raw_names);
  const std::unique_ptr<char*, FreeNames> names(raw_names);
  if (count < 0) {
    return Failure{"the sockets passed by systemd: " + std::generic_category().message(-count)};
  }
  std::vector<PassedSocket> sockets;
  for (int i = 0; i < count; ++i) {
    sockets.push_back({UniqueFd(SD_LISTEN_FDS_START + i), names.get()[i]});
  }
  return sockets;
}

#else

std::optional<std::chrono::microseconds> watchdog_period() noexcept { return std::nullopt; }

Result<std::vector<PassedSocket>, Failure> take_passed_sockets() {
  return std::vector<PassedSocket>();
}

#endif

}  // namespace perilune::daemon::systemd
