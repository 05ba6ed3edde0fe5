#pragma once

#include <uv.h>

#include <coroutine>
#include <memory>

#include "event/handle.hh"
#include "event/loop.hh"
#include "util/unique_function.hh"

namespace perilune::event {

// co_await Offload(loop, function): runs it on a thread of libuv's pool, for what would keep the
// loop for longer than sessions may notice. The function must not throw, and owns or shares all
// that it touches: who waits may go away while it runs.
class Offload {
 public:
  Offload(Loop& loop, UniqueFunction<void()> function)
      : loop_(loop), work_(std::make_unique<Work>()) {
    work_->function = std::move(function);
    work_->owner = this;
    work_->request.data = work_.get();
  }
  Offload(const Offload&) = delete;
  Offload& operator=(const Offload&) = delete;
  ~Offload() {
    if (queued_ == nullptr) return;
    queued_->owner = nullptr;
    uv_cancel(reinterpret_cast<uv_req_t*>(&queued_->request));
  }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    const int code = uv_queue_work(
        loop_.uv(), &work_->request,
        [](uv_work_t* request) { static_cast<Work*>(request->data)->function(); },
        [](uv_work_t* request, int) {
          const std::unique_ptr<Work> done{static_cast<Work*>(request->data)};
          if (done->owner != nullptr) done->owner->finished();
        });
    check(code, "uv_queue_work");
    queued_ = work_.release();
  }
  void await_resume() const noexcept {}

 private:
  struct Work {
    uv_work_t request{};
    UniqueFunction<void()> function;
    Offload* owner = nullptr;
  };

  void finished() {
    queued_ = nullptr;
    waiter_.resume();
  }

  Loop& loop_;
  std::unique_ptr<Work> work_;  // until it is queued
  Work* queued_ = nullptr;      // libuv's until it is done
  std::coroutine_handle<> waiter_;
};

// Runs a function there that nobody waits for, on the same conditions; the loop does not end before
// it has.
inline void offload_detached(Loop& loop, UniqueFunction<void()> function) {
  struct Work {
    uv_work_t request{};
    UniqueFunction<void()> function;
  };
  auto work = std::make_unique<Work>();
  work->function = std::move(function);
  work->request.data = work.get();
  const int code = uv_queue_work(
      loop.uv(), &work->request,
      [](uv_work_t* request) { static_cast<Work*>(request->data)->function(); },
      [](uv_work_t* request, int) { delete static_cast<Work*>(request->data); });
  check(code, "uv_queue_work");
  static_cast<void>(work.release());  // the loop's, until it is done
}

}  // namespace perilune::event
