#pragma once

#include <uv.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "util/clock.hh"

namespace perilune::event {

// libuv refused; the message is "what: reason".
class UvError : public std::runtime_error {
 public:
  UvError(const std::string& what, int code)
      : std::runtime_error(what + ": " + uv_strerror(code)), code_(code) {}
  int code() const noexcept { return code_; }  // UV_E…

 private:
  int code_;
};

inline void check(int code, const char* what) {
  if (code < 0) throw UvError(what, code);
}

inline std::uint64_t uv_millis(Millis delay) noexcept {
  return delay.count() > 0 ? static_cast<std::uint64_t>(delay.count()) : 0;
}

template <typename H>
uv_handle_t* uv_handle(H* handle) noexcept {
  return reinterpret_cast<uv_handle_t*>(handle);
}

// Closing is asynchronous: the memory belongs to libuv until its close callback.
template <typename H>
struct Closer {
  void operator()(H* handle) const noexcept {
    handle->data = nullptr;
    uv_close(uv_handle(handle), [](uv_handle_t* closed) { delete reinterpret_cast<H*>(closed); });
  }
};

// Owns a libuv handle; its callbacks find the owner in `data`, null once the owner is gone.
template <typename H>
using Handle = std::unique_ptr<H, Closer<H>>;

template <typename H, typename Init>
Handle<H> make_handle(Init init, const char* what) {
  auto raw = std::make_unique<H>();
  raw->data = nullptr;
  check(init(raw.get()), what);
  return Handle<H>{raw.release()};
}

}  // namespace perilune::event
