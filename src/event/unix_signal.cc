#include "event/unix_signal.hh"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace perilune::event {

UnixSignal::UnixSignal(Loop& loop, int signal, UniqueFunction<void()> function)
    : function_(std::move(function)),
      signal_(make_handle<uv_signal_t>(
          [&loop](uv_signal_t* handle) { return uv_signal_init(loop.uv(), handle); },
          "uv_signal_init")) {
  signal_->data = this;
  check(uv_signal_start(
            signal_.get(),
            [](uv_signal_t* handle, int) {
              if (handle->data != nullptr) static_cast<UnixSignal*>(handle->data)->function_();
            },
            signal),
        "uv_signal_start");
}

void block_signals(std::initializer_list<int> signals) noexcept {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace perilune::event
