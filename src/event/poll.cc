#include "event/poll.hh"

#include <utility>

namespace perilune::event {

Poll::Poll(Loop& loop, int fd)
    : poll_(make_handle<uv_poll_t>(
          [&loop, fd](uv_poll_t* poll) { return uv_poll_init(loop.uv(), poll, fd); },
          "uv_poll_init")) {
  poll_->data = this;
}

void Poll::start(int events, UniqueFunction<void(int, int)> ready) {
  ready_ = std::move(ready);
  active_ = true;
  check(uv_poll_start(poll_.get(), events,
                      [](uv_poll_t* poll, int status, int what) {
                        if (poll->data != nullptr) {
                          static_cast<Poll*>(poll->data)->ready_(status, what);
                        }
                      }),
        "uv_poll_start");
}

void Poll::stop() noexcept {
  if (std::exchange(active_, false)) uv_poll_stop(poll_.get());
}

}  // namespace perilune::event
