#include "net/peer_credentials.hh"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "socket_pair.hh"
#include "support/catch.hh"

using namespace perilune;
using namespace perilune::net;

TEST_CASE("peer_credentials: of a unix peer", "[net]") {
  const test::SocketPair pair;
  const auto peer = peer_credentials(pair.ours.value());
  REQUIRE(peer);
  REQUIRE(peer->has_value());
  CHECK((*peer)->pid == getpid());
  CHECK((*peer)->uid == getuid());
  CHECK((*peer)->gid == getgid());
}

TEST_CASE("peer_credentials: TCP has none", "[net]") {
  const UniqueFd tcp(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto peer = peer_credentials(tcp.value());
  REQUIRE(peer);
  CHECK_FALSE(peer->has_value());
}

TEST_CASE("peer_credentials: of no socket is an error", "[net]") {
  CHECK(peer_credentials(-1).error().message == "SO_DOMAIN: Bad file descriptor");
  CHECK(peer_pidfd(-1).error().message == "SO_PEERPIDFD: Bad file descriptor");
}

TEST_CASE("peer_pidfd: a descriptor of the peer, where the kernel has them", "[net]") {
  const test::SocketPair pair;
  const auto pidfd = peer_pidfd(pair.ours.value());
  REQUIRE(pidfd);
  if (!*pidfd) {
    WARN("this kernel has no SO_PEERPIDFD");
    return;
  }
  // Signal 0 only asks; our own process runs.
  CHECK(syscall(SYS_pidfd_send_signal, pidfd->value(), 0, nullptr, 0) == 0);
}
