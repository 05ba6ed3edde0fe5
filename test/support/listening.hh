#pragma once

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <stdexcept>
#include <utility>

#include "event/loop.hh"
#include "event/task.hh"
#include "event/timer.hh"
#include "net/address.hh"
#include "support/scripted_peer.hh"
#include "util/fd.hh"

namespace perilune::test {

// A listening socket of the loopback interface; the kernel connects whoever comes.
class Listening {
 public:
  explicit Listening(event::Loop& loop) : loop_(loop) {
    const net::Address any = net::Address::ipv4({htonl(INADDR_LOOPBACK)}, 0);
    const bool listens =
        bind(socket_.value(), any.data(), any.size()) == 0 && ::listen(socket_.value(), 16) == 0;
    if (!listens) throw std::runtime_error("cannot listen");
  }

  net::Address address() const { return *net::local_address(socket_.value()); }
  // From now on connections are refused.
  void close() { socket_ = UniqueFd{}; }

  event::Task<std::unique_ptr<ScriptedPeer>> accept() {
    for (;;) {
      UniqueFd fd{accept4(socket_.value(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
      if (fd) co_return std::make_unique<ScriptedPeer>(loop_, std::move(fd));
      if (errno != EAGAIN) throw std::runtime_error("cannot accept");
      co_await event::Sleep(loop_, Millis{1});
    }
  }

 private:
  event::Loop& loop_;
  UniqueFd socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
};

}  // namespace perilune::test
