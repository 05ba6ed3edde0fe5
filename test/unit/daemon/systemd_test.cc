#include "daemon/systemd.hh"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "in_child.hh"
#include "support/catch.hh"
#include "util/clock.hh"

using namespace perilune;
using namespace perilune::daemon;

TEST_CASE("systemd: not started by it, nothing is told and nothing was given", "[daemon]") {
  unsetenv("NOTIFY_SOCKET");
  unsetenv("WATCHDOG_USEC");
  unsetenv("LISTEN_FDS");
  systemd::notify_ready("x");
  systemd::notify_watchdog();
  CHECK_FALSE(systemd::watchdog_period());
  const auto sockets = systemd::take_passed_sockets();
  REQUIRE(sockets);
  CHECK(sockets->empty());
}

#if PERILUNE_SYSTEMD

namespace {

// An abstract datagram socket in place of systemd's; its name is the kernel's choice.
class NotifySocket {
 public:
  NotifySocket() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    // Of just the family's size: autobind (unix(7)).
    if (bind(socket_.value(), any, sizeof(sa_family_t)) != 0 ||
        getsockname(socket_.value(), any, &size) != 0) {
      throw std::runtime_error("notify socket");
    }
    const std::string name(address.sun_path + 1, size - offsetof(sockaddr_un, sun_path) - 1);
    setenv("NOTIFY_SOCKET", ("@" + name).c_str(), 1);
  }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;
  ~NotifySocket() { unsetenv("NOTIFY_SOCKET"); }

  // Datagrams on a unix socket are there when the sender's call has returned.
  std::string next() const {
    char buffer[1024];
    const ssize_t size = recv(socket_.value(), buffer, sizeof buffer, MSG_DONTWAIT);
    return size < 0 ? "nothing came" : std::string(buffer, static_cast<std::size_t>(size));
  }

 private:
  UniqueFd socket_;
};

long long monotonic_microseconds() {
  const auto now = Clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

// As systemd starts a service: sockets from descriptor 3 on, named in the environment.
int take_two_sockets() {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return 1;
  // Out of the way first: dup2 must not overwrite the one with the other.
  const int first = fcntl(pair[0], F_DUPFD, 20);
  const int second = fcntl(pair[1], F_DUPFD, 20);
  if (dup2(first, 3) != 3 || dup2(second, 4) != 4) return 2;
  setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
  setenv("LISTEN_FDS", "2", 1);
  setenv("LISTEN_FDNAMES", "public:admin", 1);
  const auto sockets = systemd::take_passed_sockets();
  if (!sockets || sockets->size() != 2) return 3;
  if ((*sockets)[0].fd.value() != 3 || (*sockets)[0].name != "public") return 4;
  if ((*sockets)[1].fd.value() != 4 || (*sockets)[1].name != "admin") return 5;
  if ((fcntl(3, F_GETFD) & FD_CLOEXEC) == 0 || (fcntl(4, F_GETFD) & FD_CLOEXEC) == 0) return 6;
  if (getenv("LISTEN_FDS") != nullptr || getenv("LISTEN_FDNAMES") != nullptr) return 7;
  const auto again = systemd::take_passed_sockets();
  return again && again->empty() ? 0 : 8;
}

int refuse_closed_descriptors() {
  close(3);
  setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
  setenv("LISTEN_FDS", "1", 1);
  const auto sockets = systemd::take_passed_sockets();
  return !sockets && sockets.error().message.find("Bad file descriptor") != std::string::npos ? 0
                                                                                              : 1;
}

}  // namespace

TEST_CASE("systemd: what it is told", "[daemon]") {
  const NotifySocket socket;
  systemd::notify_ready("");
  CHECK(socket.next() == "READY=1");
  systemd::notify_ready("2 workers");
  CHECK(socket.next() == "READY=1\nSTATUS=2 workers");
  systemd::notify_stopping("draining 3 sessions");
  CHECK(socket.next() == "STOPPING=1\nSTATUS=draining 3 sessions");
  systemd::notify_status("17 sessions");
  CHECK(socket.next() == "STATUS=17 sessions");
  systemd::notify_watchdog();
  CHECK(socket.next() == "WATCHDOG=1");
}

TEST_CASE("systemd: a status cannot smuggle in another message", "[daemon]") {
  const NotifySocket socket;
  systemd::notify_status("x\nSTOPPING=1");
  CHECK(socket.next() == "STATUS=x\\nSTOPPING=1");
}

TEST_CASE("systemd: a reload carries the monotonic time", "[daemon]") {
  const NotifySocket socket;
  const long long before = monotonic_microseconds();
  systemd::notify_reloading();
  const std::string state = socket.next();
  const std::string prefix = "RELOADING=1\nMONOTONIC_USEC=";
  REQUIRE(state.rfind(prefix, 0) == 0);
  const long long told = std::stoll(state.substr(prefix.size()));
  CHECK(told >= before);
  CHECK(told <= monotonic_microseconds());
}

TEST_CASE("systemd: the watchdog's period, if it is meant for this process", "[daemon]") {
  setenv("WATCHDOG_USEC", "3000000", 1);
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  CHECK(systemd::watchdog_period() == std::chrono::seconds(3));
  setenv("WATCHDOG_PID", "1", 1);
  CHECK_FALSE(systemd::watchdog_period());
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  setenv("WATCHDOG_USEC", "garbage", 1);
  CHECK_FALSE(systemd::watchdog_period());
  unsetenv("WATCHDOG_USEC");
  unsetenv("WATCHDOG_PID");
}

TEST_CASE("systemd: passed sockets come with their names, once", "[daemon]") {
  CHECK(test::in_child(take_two_sockets) == 0);
}

TEST_CASE("systemd: descriptors that are not there are an error", "[daemon]") {
  CHECK(test::in_child(refuse_closed_descriptors) == 0);
}

#endif
