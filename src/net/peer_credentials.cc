#include "net/peer_credentials.hh"

#include <sys/socket.h>

#include <cerrno>
#include <system_error>

namespace perilune::net {

namespace {

// Since Linux 6.5; the headers of Debian 12 do not have it.
#ifdef SO_PEERPIDFD
constexpr int kPeerPidfd = SO_PEERPIDFD;
#else
constexpr int kPeerPidfd = 77;
#endif

Failure failed(const char* what, int error) {
  return {std::string(what) + ": " + std::generic_category().message(error)};
}

template <typename T>
int read_option(int socket, int option, T& value) noexcept {
  socklen_t size = sizeof value;
  return getsockopt(socket, SOL_SOCKET, option, &value, &size) == 0 ? 0 : errno;
}

}  // namespace

Result<std::optional<PeerCredentials>, Failure> peer_credentials(int socket) {
  int domain = AF_UNSPEC;
  if (const int error = read_option(socket, SO_DOMAIN, domain)) return failed("SO_DOMAIN", error);
  // On TCP the kernel answers too, with made-up numbers.
  if (domain != AF_UNIX) return std::optional<PeerCredentials>();
  ucred peer{};
  if (const int error = read_option(socket, SO_PEERCRED, peer)) return failed("SO_PEERCRED", error);
  return std::optional(PeerCredentials{peer.pid, peer.uid, peer.gid});
}

Result<UniqueFd, Failure> peer_pidfd(int socket) {
  int fd = -1;
  const int error = read_option(socket, kPeerPidfd, fd);
  if (error == ENOPROTOOPT) return UniqueFd();
  if (error != 0) return failed("SO_PEERPIDFD", error);
  return UniqueFd(fd);
}

}  // namespace perilune::net
