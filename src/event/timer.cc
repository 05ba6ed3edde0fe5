#include "event/timer.hh"

#include <utility>

namespace perilune::event {

namespace {

Handle<uv_timer_t> make_timer(Loop& loop) {
  return make_handle<uv_timer_t>(
      [&loop](uv_timer_t* timer) { return uv_timer_init(loop.uv(), timer); }, "uv_timer_init");
}

}  // namespace

void Sleep::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  timer_ = make_timer(loop_);
  timer_->data = this;
  // The loop's cached clock may lag behind a long computation; a sleep must not come short.
  uv_update_time(loop_.uv());
  uv_timer_start(
      timer_.get(),
      [](uv_timer_t* timer) {
        if (timer->data != nullptr) static_cast<Sleep*>(timer->data)->waiter_.resume();
      },
      uv_millis(delay_), 0);
}

PeriodicTimer::PeriodicTimer(Loop& loop, Millis interval, UniqueFunction<void()> function)
    : function_(std::move(function)), timer_(make_timer(loop)) {
  timer_->data = this;
  uv_timer_start(
      timer_.get(),
      [](uv_timer_t* timer) {
        if (timer->data != nullptr) static_cast<PeriodicTimer*>(timer->data)->function_();
      },
      uv_millis(interval), uv_millis(interval));
}

}  // namespace perilune::event
