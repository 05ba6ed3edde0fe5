#include "event/mailbox.hh"

#include <utility>

namespace perilune::event {

Mailbox::Mailbox(Loop& loop)
    : async_(make_handle<uv_async_t>(
          [&loop](uv_async_t* async) {
            return uv_async_init(loop.uv(), async, [](uv_async_t* woken) {
              if (woken->data != nullptr) static_cast<Mailbox*>(woken->data)->deliver();
            });
          },
          "uv_async_init")) {
  async_->data = this;
}

void Mailbox::post(UniqueFunction<void()> function) {
  const std::lock_guard lock{mutex_};
  if (closed_) return;
  waiting_.push_back(std::move(function));
  uv_async_send(async_.get());
}

void Mailbox::close() noexcept {
  std::vector<UniqueFunction<void()>> undelivered;
  {
    const std::lock_guard lock{mutex_};
    if (std::exchange(closed_, true)) return;
    undelivered.swap(waiting_);
    async_.reset();
  }
}

void Mailbox::deliver() {
  std::vector<UniqueFunction<void()>> batch;
  {
    const std::lock_guard lock{mutex_};
    batch.swap(waiting_);
  }
  for (auto& function : batch) function();
}

}  // namespace perilune::event
