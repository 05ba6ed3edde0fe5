#include "net/socket.hh"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "event/timer.hh"

namespace perilune::net {

namespace {

// How long until a unix socket with a full backlog is tried again.
constexpr Millis kBacklogRetry{10};

int type_of(int socket) noexcept {
  int type = 0;
  socklen_t size = sizeof type;
  ::getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size);
  return type;
}

Failure failure_of(int error) { return Failure{std::strerror(error)}; }

}  // namespace

// Registers a latch while it exists.
class Socket::Waiting {
 public:
  Waiting(Socket& socket, event::Latch*& place, event::Latch& latch)
      : socket_(socket), place_(place) {
    place_ = &latch;
    socket_.watch();
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() {
    place_ = nullptr;
    socket_.watch();
  }

 private:
  Socket& socket_;
  event::Latch*& place_;
};

Socket::Socket(event::Loop& loop, UniqueFd socket)
    : loop_(loop), socket_(std::move(socket)), datagram_(type_of(socket_.value()) == SOCK_DGRAM) {
  poll_.emplace(loop_, socket_.value());
}

void Socket::close() noexcept {
  poll_.reset();
  socket_.reset();
  ready(UV_READABLE | UV_WRITABLE);
}

ssize_t Socket::send(Bytes data) noexcept {
  if (!is_open()) return -EBADF;
  ssize_t sent = 0;
  do {
    sent = ::send(socket_.value(), data.data(), data.size(), MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : sent;
}

ssize_t Socket::receive(MutableBytes buffer) noexcept {
  if (!is_open()) return -EBADF;
  ssize_t received = 0;
  do {
    received = ::recv(socket_.value(), buffer.data(), buffer.size(), 0);
  } while (received < 0 && errno == EINTR);
  return received < 0 ? -errno : received;
}

event::Task<> Socket::wait(event::Latch*& place) {
  event::Latch ready{loop_};
  const Waiting waiting{*this, place, ready};
  co_await ready;
}

void Socket::watch() {
  if (!poll_) return;
  const int events = (has_reader() ? UV_READABLE : 0) | (has_writer() ? UV_WRITABLE : 0);
  if (events == 0) return poll_->stop();
  poll_->start(events, [this](int status, int which) {
    ready(status < 0 ? UV_READABLE | UV_WRITABLE : which);
  });
}

// Latches wake in the next turn of the loop, so nothing goes away in here.
void Socket::ready(int events) {
  if ((events & UV_READABLE) != 0 && has_reader()) reader_->set();
  if ((events & UV_WRITABLE) != 0 && has_writer()) writer_->set();
}

int Socket::error() const noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket_.value(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

event::Task<Result<std::shared_ptr<Socket>, Failure>> connect_socket(event::Loop& loop,
                                                                     Address address, int type) {
  UniqueFd opened{::socket(address.family(), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!opened) co_return failure_of(errno);
  const int fd = opened.value();
  auto socket = std::make_shared<Socket>(loop, std::move(opened));
  while (::connect(fd, address.data(), address.size()) != 0) {
    if (errno == EAGAIN) {
      co_await event::Sleep(loop, kBacklogRetry);
      continue;
    }
    if (errno != EINPROGRESS && errno != EINTR) co_return failure_of(errno);
    co_await socket->writable();
    const int error = socket->error();
    if (error != 0) co_return failure_of(error);
    break;
  }
  co_return socket;
}

}  // namespace perilune::net
