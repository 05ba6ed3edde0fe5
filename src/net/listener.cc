#include "net/listener.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "net/unix_path.hh"
#include "util/error.hh"

namespace perilune::net {

namespace {

constexpr Millis kPause{200};

[[noreturn]] void fail(std::string_view what, const Address& address, int errno_value) {
  throw ConfigError(fmt::format("{} {}: {}", what, address.text(), std::strerror(errno_value)));
}

UniqueFd open_socket(const Address& address) {
  UniqueFd socket{::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket) fail("cannot make a socket for", address, errno);
  return socket;
}

void set_option(const UniqueFd& socket, int level, int name, int value) noexcept {
  ::setsockopt(socket.value(), level, name, &value, sizeof value);
}

void bind_to(const UniqueFd& socket, const Address& bound, const Address& wanted) {
  if (::bind(socket.value(), bound.data(), bound.size()) != 0) {
    fail("cannot listen on", wanted, errno);
  }
}

void listen_on(const UniqueFd& socket, int backlog, const Address& address) {
  if (::listen(socket.value(), backlog) != 0) fail("cannot listen on", address, errno);
}

UniqueFd bind_tcp(const Address& address, int backlog) {
  UniqueFd socket = open_socket(address);
  set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.family() == AF_INET6) {
    set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, address.is_dual_stack() ? 0 : 1);
  }
  bind_to(socket, address, address);
  listen_on(socket, backlog, address);
  return socket;
}

uid_t find_user(const std::string& name) {
  if (name.empty()) return static_cast<uid_t>(-1);
  const passwd* entry = ::getpwnam(name.c_str());
  if (entry == nullptr) throw ConfigError(fmt::format("no user \"{}\" on this system", name));
  return entry->pw_uid;
}

gid_t find_group(const std::string& name) {
  if (name.empty()) return static_cast<gid_t>(-1);
  const group* entry = ::getgrnam(name.c_str());
  if (entry == nullptr) throw ConfigError(fmt::format("no group \"{}\" on this system", name));
  return entry->gr_gid;
}

void apply_rights(const std::string& path, const FileRights& rights, const Address& address) {
  const uid_t user = find_user(rights.user);
  const gid_t group = find_group(rights.group);
  if (::chmod(path.c_str(), rights.mode) != 0) fail("cannot set the mode of", address, errno);
  if (user == static_cast<uid_t>(-1) && group == static_cast<gid_t>(-1)) return;
  if (::chown(path.c_str(), user, group) != 0) fail("cannot set the owner of", address, errno);
}

UniqueFd bind_path(const Address& address, int backlog, const FileRights& rights) {
  return bind_unix_path(address, SOCK_STREAM, [&](const UniqueFd& socket, const std::string& file) {
    apply_rights(file, rights, address);
    listen_on(socket, backlog, address);
  });
}

UniqueFd bind_abstract(const Address& address, int backlog) {
  UniqueFd socket = open_socket(address);
  bind_to(socket, address, address);
  listen_on(socket, backlog, address);
  return socket;
}

UniqueFd bind_any(const Address& address, int backlog, const FileRights& rights) {
  if (!address.path().empty()) return bind_path(address, backlog, rights);
  return address.is_unix() ? bind_abstract(address, backlog) : bind_tcp(address, backlog);
}

// What accept(2) says of one connection or of no connection: the next one may be all right.
bool concerns_one_connection(int error) noexcept {
  switch (error) {
    case EAGAIN:
    case EINTR:
    case ECONNABORTED:
    case EPERM:  // a firewall's rule
    // Linux passes on what has happened to the network meanwhile.
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

}  // namespace

// --- ListenSocket

ListenSocket::ListenSocket(UniqueFd socket, Address address, bool adopted)
    : socket_(std::move(socket)), address_(address), adopted_(adopted) {
  if (!adopted_ && !address_.path().empty()) file_.emplace(std::string{address_.path()});
}

std::shared_ptr<ListenSocket> ListenSocket::bind(const Address& address, int backlog,
                                                 const FileRights& rights) {
  UniqueFd socket = bind_any(address, backlog, rights);
  Address actual = address;
  if (address.is_tcp() && address.port() == 0) {
    if (const auto local = local_address(socket.value())) actual = *local;
  }
  return std::shared_ptr<ListenSocket>{new ListenSocket(std::move(socket), actual, false)};
}

std::shared_ptr<ListenSocket> ListenSocket::adopt(UniqueFd socket, int backlog) {
  const auto local = local_address(socket.value());
  if (!local) throw ConfigError("systemd passed a broken socket: " + local.error().message);
  const int flags = ::fcntl(socket.value(), F_GETFL);
  ::fcntl(socket.value(), F_SETFL, flags | O_NONBLOCK);
  listen_on(socket, backlog, *local);
  return std::shared_ptr<ListenSocket>{new ListenSocket(std::move(socket), *local, true)};
}

ListenSocket::~ListenSocket() { remove_file(); }

void ListenSocket::remove_file() const noexcept {
  if (file_) file_->remove();
}

void ListenSocket::set_backlog(int backlog) { listen_on(socket_, backlog, address_); }

void ListenSocket::set_rights(const FileRights& rights) {
  if (file_) apply_rights(std::string{address_.path()}, rights, address_);
}

// --- Acceptor

Acceptor::Acceptor(event::Loop& loop, std::shared_ptr<ListenSocket> socket, Accepted accepted,
                   Paused paused, Begin begin)
    : socket_(std::move(socket)),
      accepted_(std::move(accepted)),
      paused_(std::move(paused)),
      poll_(loop, socket_->fd()),
      pause_timer_(event::make_handle<uv_timer_t>(
          [&loop](uv_timer_t* timer) { return uv_timer_init(loop.uv(), timer); },
          "uv_timer_init")) {
  pause_timer_->data = this;
  if (begin == Begin::Now) watch();
}

Acceptor::~Acceptor() = default;

void Acceptor::watch() {
  poll_.start(UV_READABLE,
              [this](int status, int) { status == 0 ? accept_one() : pause(-status); });
}

// One a wake-up: a crowd of new connections does not keep the others waiting.
void Acceptor::accept_one() {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  UniqueFd socket{::accept4(socket_->fd(), address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK)};
  if (socket) {
    accepted_(std::move(socket), Address{address, size});
    return;
  }
  const int error = errno;
  // The poll is level-triggered: what is not one connection's affair would come again at once.
  if (!concerns_one_connection(error)) pause(error);
}

void Acceptor::pause(int error) {
  poll_.stop();
  paused_(error);
  uv_timer_start(
      pause_timer_.get(),
      [](uv_timer_t* timer) {
        if (timer->data != nullptr) static_cast<Acceptor*>(timer->data)->watch();
      },
      event::uv_millis(kPause), 0);
}

}  // namespace perilune::net
