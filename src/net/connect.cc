#include "net/connect.hh"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <coroutine>
#include <string>
#include <utility>

namespace perilune::net {

namespace {

class Lookup {
 public:
  Lookup(event::Loop& loop, const HostName& name) : loop_(loop), name_(name) {}
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;
  ~Lookup() {
    if (request_ == nullptr) return;
    request_->data = nullptr;
    uv_cancel(reinterpret_cast<uv_req_t*>(request_));
  }

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    const std::string port = std::to_string(name_.port);
    auto request = std::make_unique<uv_getaddrinfo_t>();
    request->data = this;
    status_ = uv_getaddrinfo(
        loop_.uv(), request.get(),
        [](uv_getaddrinfo_t* done, int status, addrinfo* found) {
          const std::unique_ptr<uv_getaddrinfo_t> owner{done};
          const std::unique_ptr<addrinfo, decltype(&uv_freeaddrinfo)> list{found, uv_freeaddrinfo};
          auto* self = static_cast<Lookup*>(done->data);
          if (self != nullptr) self->finished(status, list.get());
        },
        name_.host.c_str(), port.c_str(), &hints);
    if (status_ < 0) return false;
    request_ = request.release();
    waiter_ = waiter;
    return true;
  }
  int await_resume() const noexcept { return status_; }

  std::vector<Address> take() noexcept { return std::move(found_); }

 private:
  void finished(int status, const addrinfo* list) {
    request_ = nullptr;
    status_ = status;
    for (; list != nullptr; list = list->ai_next) {
      found_.emplace_back(list->ai_addr, list->ai_addrlen);
    }
    waiter_.resume();
  }

  event::Loop& loop_;
  const HostName& name_;
  uv_getaddrinfo_t* request_ = nullptr;
  std::coroutine_handle<> waiter_;
  std::vector<Address> found_;
  int status_ = 0;
};

}  // namespace

Connecting::Connecting(event::Loop& loop, const Address& address)
    : loop_(&loop),
      socket_(event::make_handle<uv_tcp_t>(
          [&loop](uv_tcp_t* tcp) { return uv_tcp_init(loop.uv(), tcp); }, "uv_tcp_init")) {
  status_ = address.is_unix() ? connect_unix(address) : start_tcp(address);
}

Connecting::Connecting(Connecting&& other) noexcept
    : loop_(other.loop_),
      socket_(std::move(other.socket_)),
      request_(std::exchange(other.request_, nullptr)),
      status_(other.status_),
      no_delay_(other.no_delay_) {
  if (request_ != nullptr) request_->data = this;
}

Connecting::~Connecting() {
  if (request_ != nullptr) request_->data = nullptr;
}

int Connecting::start_tcp(const Address& address) {
  no_delay_ = true;
  auto request = std::make_unique<uv_connect_t>();
  request->data = this;
  const int code = uv_tcp_connect(request.get(), socket_.get(), address.data(),
                                  [](uv_connect_t* done, int status) {
                                    const std::unique_ptr<uv_connect_t> owner{done};
                                    auto* self = static_cast<Connecting*>(done->data);
                                    if (self != nullptr) self->finished(status);
                                  });
  if (code >= 0) request_ = request.release();
  return code;
}

// The kernel connects unix sockets at once or not at all.
int Connecting::connect_unix(const Address& address) {
  UniqueFd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket) return -errno;
  if (::connect(socket.value(), address.data(), address.size()) != 0) return -errno;
  const int code = uv_tcp_open(socket_.get(), socket.value());
  if (code >= 0) socket.release();
  return code;
}

void Connecting::finished(int status) {
  request_ = nullptr;
  status_ = status;
  if (waiter_) std::exchange(waiter_, {}).resume();
}

std::unique_ptr<Stream> Connecting::take() {
  auto stream = std::make_unique<Stream>(*loop_, std::move(socket_));
  if (no_delay_) stream->set_no_delay();
  return stream;
}

event::Task<std::vector<Address>> resolve(event::Loop& loop, HostName name) {
  Lookup lookup{loop, name};
  const int status = co_await lookup;
  const std::string what = fmt::format("cannot resolve {}", name.host);
  event::check(status, what.c_str());
  std::vector<Address> found = lookup.take();
  if (found.empty()) throw event::UvError(what, UV_EAI_NODATA);
  co_return found;
}

}  // namespace perilune::net
