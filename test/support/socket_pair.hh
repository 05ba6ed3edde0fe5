#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <stdexcept>

#include "util/fd.hh"

namespace perilune::test {

struct SocketPair {
  UniqueFd ours;
  UniqueFd theirs;
};

// Two connected, non-blocking unix sockets.
inline SocketPair make_socket_pair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
    throw std::runtime_error("socketpair");
  }
  return {UniqueFd{fds[0]}, UniqueFd{fds[1]}};
}

// Two connected, non-blocking TCP sockets of the loopback interface.
inline SocketPair make_tcp_pair() {
  constexpr int kType = SOCK_STREAM | SOCK_CLOEXEC;
  const UniqueFd listener{socket(AF_INET, kType, 0)};
  SocketPair pair{UniqueFd{}, UniqueFd{socket(AF_INET, kType, 0)}};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  const bool connected = bind(listener.value(), generic, size) == 0 &&
                         listen(listener.value(), 1) == 0 &&
                         getsockname(listener.value(), generic, &size) == 0 &&
                         connect(pair.theirs.value(), generic, size) == 0;
  pair.ours = UniqueFd{accept4(listener.value(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
  if (!connected || pair.ours.value() < 0) throw std::runtime_error("TCP socket pair");
  fcntl(pair.theirs.value(), F_SETFL, O_NONBLOCK);
  return pair;
}

}  // namespace perilune::test
