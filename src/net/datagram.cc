#include "net/datagram.hh"

#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "util/error.hh"

namespace perilune::net {

namespace {

// Since Linux 4.20; the headers of Debian 12 may not have it.
#ifdef IPV6_MULTICAST_ALL
constexpr int kIpv6MulticastAll = IPV6_MULTICAST_ALL;
#else
constexpr int kIpv6MulticastAll = 29;
#endif

[[noreturn]] void fail(std::string_view what, const Address& address, int errno_value) {
  throw ConfigError(fmt::format("{} {}: {}", what, address.text(), std::strerror(errno_value)));
}

template <typename T>
bool set_option(const UniqueFd& socket, int level, int name, const T& value) noexcept {
  return ::setsockopt(socket.value(), level, name, &value, sizeof value) == 0;
}

unsigned index_of(const std::string& interface, const Address& address) {
  if (interface.empty()) return 0;
  const unsigned index = ::if_nametoindex(interface.c_str());
  if (index == 0) {
    throw ConfigError(
        fmt::format("cannot listen on {}: no network interface \"{}\"", address.text(), interface));
  }
  return index;
}

// Groups that somebody else on this machine has joined are none of ours.
bool join_ipv4(const UniqueFd& socket, const Address& group, unsigned interface) noexcept {
  set_option(socket, IPPROTO_IP, IP_MULTICAST_ALL, 0);
  ip_mreqn request{};
  request.imr_multiaddr = reinterpret_cast<const sockaddr_in*>(group.data())->sin_addr;
  request.imr_ifindex = static_cast<int>(interface);
  return set_option(socket, IPPROTO_IP, IP_ADD_MEMBERSHIP, request);
}

bool join_ipv6(const UniqueFd& socket, const Address& group, unsigned interface) noexcept {
  set_option(socket, IPPROTO_IPV6, kIpv6MulticastAll, 0);
  const auto* const wanted = reinterpret_cast<const sockaddr_in6*>(group.data());
  ipv6_mreq request{};
  request.ipv6mr_multiaddr = wanted->sin6_addr;
  request.ipv6mr_interface = interface != 0 ? interface : wanted->sin6_scope_id;
  return set_option(socket, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, request);
}

void join(const UniqueFd& socket, const Address& group, unsigned interface) {
  const bool joined = group.family() == AF_INET ? join_ipv4(socket, group, interface)
                                                : join_ipv6(socket, group, interface);
  if (!joined) fail("cannot join the multicast group", group, errno);
}

void bind_to_interface(const UniqueFd& socket, const std::string& interface,
                       const Address& address) {
  const auto size = static_cast<socklen_t>(interface.size());
  if (::setsockopt(socket.value(), SOL_SOCKET, SO_BINDTODEVICE, interface.data(), size) != 0) {
    fail("cannot bind to the interface for", address, errno);
  }
}

UniqueFd open_socket(const Address& address) {
  UniqueFd socket{::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket) fail("cannot make a socket for", address, errno);
  return socket;
}

void bind_to(const UniqueFd& socket, const Address& address) {
  if (::bind(socket.value(), address.data(), address.size()) != 0) {
    fail("cannot listen on", address, errno);
  }
}

// Several processes may listen for one group, and all get what is sent there.
UniqueFd bind_udp(const Address& address, const DatagramOptions& options) {
  const unsigned interface = index_of(options.interface, address);
  UniqueFd socket = open_socket(address);
  if (address.family() == AF_INET6) {
    set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, address.is_dual_stack() ? 0 : 1);
  }
  if (options.multicast_group) set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1);
  if (interface != 0) bind_to_interface(socket, options.interface, address);
  bind_to(socket, address);
  if (options.multicast_group) join(socket, *options.multicast_group, interface);
  return socket;
}

// The kernel names the sender of each datagram.
void ask_for_credentials(const UniqueFd& socket) noexcept {
  set_option(socket, SOL_SOCKET, SO_PASSCRED, 1);
}

UniqueFd bind_unix(const Address& address) {
  if (!address.path().empty()) {
    return bind_unix_path(address, SOCK_DGRAM, [](const UniqueFd& socket, const std::string&) {
      ask_for_credentials(socket);
    });
  }
  UniqueFd socket = open_socket(address);
  ask_for_credentials(socket);
  bind_to(socket, address);
  return socket;
}

std::optional<PeerCredentials> credentials_in(msghdr& message) noexcept {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_CREDENTIALS) continue;
    ucred peer;
    std::memcpy(&peer, CMSG_DATA(part), sizeof peer);
    return PeerCredentials{peer.pid, peer.uid, peer.gid};
  }
  return std::nullopt;
}

UniqueFd connect_to(const Address& to) {
  UniqueFd socket{::socket(to.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket) throw SystemError("cannot make a socket", errno);
  if (::connect(socket.value(), to.data(), to.size()) != 0) {
    throw SystemError("cannot connect to " + to.text(), errno);
  }
  return socket;
}

}  // namespace

// --- DatagramSocket

DatagramSocket::DatagramSocket(UniqueFd socket, const Address& address)
    : socket_(std::move(socket)) {
  if (!address.path().empty()) file_.emplace(std::string{address.path()});
}

std::shared_ptr<DatagramSocket> DatagramSocket::bind(const Address& address,
                                                     const DatagramOptions& options) {
  UniqueFd socket = address.is_unix() ? bind_unix(address) : bind_udp(address, options);
  return std::shared_ptr<DatagramSocket>{new DatagramSocket(std::move(socket), address)};
}

// There is room for the credentials alone: the kernel closes descriptors for which there is none.
std::optional<Datagram> DatagramSocket::receive(MutableBytes buffer) noexcept {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
  sockaddr_storage storage{};
  iovec part{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_name = &storage;
  message.msg_namelen = sizeof storage;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t size = ::recvmsg(socket_.value(), &message, MSG_CMSG_CLOEXEC);
  if (size < 0) return std::nullopt;
  Datagram datagram;
  datagram.bytes = buffer.first(static_cast<std::size_t>(size));
  datagram.is_whole = (message.msg_flags & MSG_TRUNC) == 0;
  datagram.sender = Address{reinterpret_cast<sockaddr*>(&storage), message.msg_namelen};
  datagram.credentials = credentials_in(message);
  return datagram;
}

// --- DatagramSender

DatagramSender::DatagramSender(const Address& to) : to_(to), socket_(connect_to(to)) {}

int DatagramSender::send(Bytes datagram) noexcept {
  const auto try_once = [&] {
    const ssize_t sent = ::send(socket_.value(), datagram.data(), datagram.size(), MSG_NOSIGNAL);
    return sent >= 0 ? 0 : errno;
  };
  const int error = try_once();
  // Of an earlier datagram, or of a unix socket that has been replaced.
  if (error != ECONNREFUSED && error != ENOTCONN && error != ECONNRESET) return error;
  if (::connect(socket_.value(), to_.data(), to_.size()) != 0) return errno;
  return try_once();
}

}  // namespace perilune::net
