#pragma once

#include <coroutine>
#include <memory>
#include <vector>

#include "event/handle.hh"
#include "event/loop.hh"
#include "event/task.hh"
#include "net/address.hh"
#include "net/stream.hh"

namespace perilune::net {

// A connection being made, from the moment the object is; destroying it gives up. Moving it takes
// the attempt along, so that whoever no longer wants it can leave it to somebody who ends it in
// good order. co_await gives 0 or a UV_E… code; UV_EAGAIN: the backlog of a unix socket is full,
// try again later.
class Connecting {
 public:
  Connecting(event::Loop& loop, const Address& address);
  Connecting(Connecting&& other) noexcept;
  Connecting& operator=(Connecting&&) = delete;
  ~Connecting();

  bool is_pending() const noexcept { return request_ != nullptr; }

  class Awaiter {
   public:
    explicit Awaiter(Connecting& connecting) noexcept : connecting_(connecting) {}
    Awaiter(const Awaiter&) = delete;
    Awaiter& operator=(const Awaiter&) = delete;
    ~Awaiter() { connecting_.waiter_ = {}; }
    bool await_ready() const noexcept { return !connecting_.is_pending(); }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { connecting_.waiter_ = waiter; }
    int await_resume() const noexcept { return connecting_.status_; }

   private:
    Connecting& connecting_;
  };
  Awaiter operator co_await() noexcept { return Awaiter{*this}; }

  // After success, once.
  std::unique_ptr<Stream> take();

 private:
  int start_tcp(const Address& address);
  int connect_unix(const Address& address);
  void finished(int status);

  event::Loop* loop_;
  event::Handle<uv_tcp_t> socket_;
  uv_connect_t* request_ = nullptr;  // libuv's while pending
  std::coroutine_handle<> waiter_;
  int status_ = 0;
  bool no_delay_ = false;
};

// Whether connecting failed because nothing listens there.
constexpr bool is_refusal(int code) noexcept {
  return code == UV_ECONNREFUSED || code == UV_ENOENT;
}

// Asks the system's resolver, on libuv's thread pool; addresses in the resolver's order, at least
// one; throws UvError("cannot resolve HOST", …).
event::Task<std::vector<Address>> resolve(event::Loop& loop, HostName name);

}  // namespace perilune::net
