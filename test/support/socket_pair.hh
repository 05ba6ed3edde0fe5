#pragma once

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

}  // namespace perilune::test
