#pragma once

#include <sys/types.h>

#include <optional>

#include "util/failure.hh"
#include "util/fd.hh"
#include "util/result.hh"

namespace perilune::net {

// Who connected to a unix socket, as of that moment.
struct PeerCredentials {
  pid_t pid;  // 0 when the peer is in a process namespace that we cannot see
  uid_t uid;
  gid_t gid;
};

// None for sockets that are not unix ones.
Result<std::optional<PeerCredentials>, Failure> peer_credentials(int socket);

// A descriptor of the peer's process, which unlike a pid cannot come to mean another one. An empty
// one when the kernel is older than 6.5.
Result<UniqueFd, Failure> peer_pidfd(int socket);

}  // namespace perilune::net
