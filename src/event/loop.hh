#pragma once

#include <uv.h>

#include <array>
#include <cstddef>
#include <vector>

#include "event/handle.hh"
#include "util/bytes.hh"
#include "util/unique_function.hh"

namespace perilune::event {

class Deadlines;

// One thread's libuv loop and what everything on it shares. Used by its own thread only.
class Loop {
 public:
  Loop();
  ~Loop();  // runs the loop until every handle is closed
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  uv_loop_t* uv() noexcept { return &loop_; }
  void run() { uv_run(&loop_, UV_RUN_DEFAULT); }
  void run_once() { uv_run(&loop_, UV_RUN_ONCE); }
  void stop() noexcept { uv_stop(&loop_); }

  // Milliseconds of the monotonic clock, cached once per turn of the loop.
  Millis now() const noexcept { return Millis{static_cast<Millis::rep>(uv_now(&loop_))}; }

  // Runs `function` from the top of the stack in the next turn, never inside the caller.
  void defer(UniqueFunction<void()> function);

  Deadlines& deadlines() noexcept { return *deadlines_; }

  // One read buffer for all sockets of the loop: its bytes are valid only inside the callback that
  // delivered them.
  static constexpr std::size_t kReadBuffer = 64 * 1024;
  MutableBytes read_buffer() noexcept { return {read_buffer_->data(), kReadBuffer}; }

  // Of the same kind, made on first need: for what was decrypted, and for what is encrypted to be
  // written at once.
  static constexpr std::size_t kPlainBuffer = kReadBuffer + 20 * 1024;
  MutableBytes plain_buffer();
  Buffer& cipher_buffer() noexcept { return cipher_buffer_; }

 private:
  void run_deferred();

  uv_loop_t loop_;
  Handle<uv_idle_t> ready_;
  std::vector<UniqueFunction<void()>> deferred_;
  std::unique_ptr<Deadlines> deadlines_;
  std::unique_ptr<std::array<std::byte, kReadBuffer>> read_buffer_;
  std::unique_ptr<std::array<std::byte, kPlainBuffer>> plain_buffer_;
  Buffer cipher_buffer_;
};

}  // namespace perilune::event
