#include "sinks/connection.hh"

#include <sys/socket.h>

#include <poll.h>

#include <cerrno>

namespace perilune::sinks {

bool Connection::is_stream() const noexcept { return type_ == SOCK_STREAM; }

Connection::State Connection::advance() {
  if (is_open_) return State::Open;
  if (!socket_) return begin();
  pollfd ready{socket_.value(), POLLOUT, 0};
  if (::poll(&ready, 1, 0) == 0) return State::Connecting;
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket_.value(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return fail(error);
  is_open_ = true;
  return State::Open;
}

Connection::State Connection::begin() {
  socket_ = UniqueFd{::socket(address_.family(), type_ | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket_) return fail(errno);
  is_open_ = ::connect(socket_.value(), address_.data(), address_.size()) == 0;
  if (is_open_) return State::Open;
  // A unix listener whose backlog is full says EAGAIN: there is nothing to wait for.
  return errno == EINPROGRESS ? State::Connecting : fail(errno);
}

Connection::State Connection::fail(int error) noexcept {
  error_ = error;
  close();
  return State::Failed;
}

bool Connection::has_peer() const noexcept {
  if (!is_stream()) return true;
  char waste[256];
  ssize_t got;
  do {
    got = ::recv(socket_.value(), waste, sizeof waste, MSG_DONTWAIT);
  } while (got > 0);
  return got < 0 && (errno == EAGAIN || errno == EINTR);
}

ssize_t Connection::send(std::string_view bytes) const noexcept {
  ssize_t sent;
  do {
    sent = ::send(socket_.value(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

}  // namespace perilune::sinks
