#pragma once

#include <sys/socket.h>

#include <stdexcept>

#include "util/fd.hh"

namespace perilune::test {

// Two connected unix sockets of this process.
struct SocketPair {
  SocketPair() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      throw std::runtime_error("socketpair");
    }
    ours = UniqueFd(ends[0]);
    theirs = UniqueFd(ends[1]);
  }
  UniqueFd ours;
  UniqueFd theirs;
};

}  // namespace perilune::test
