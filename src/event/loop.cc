#include "event/loop.hh"

#include <cassert>
#include <utility>

#include "event/deadline.hh"

namespace perilune::event {

Loop::Loop() : read_buffer_(std::make_unique<std::array<std::byte, kReadBuffer>>()) {
  check(uv_loop_init(&loop_), "uv_loop_init");
  ready_ = make_handle<uv_idle_t>([this](uv_idle_t* idle) { return uv_idle_init(&loop_, idle); },
                                  "uv_idle_init");
  ready_->data = this;
  deadlines_ = std::make_unique<Deadlines>(*this);
}

Loop::~Loop() {
  deferred_.clear();
  deadlines_.reset();
  ready_.reset();
  uv_run(&loop_, UV_RUN_DEFAULT);
  [[maybe_unused]] const int code = uv_loop_close(&loop_);
  assert(code == 0);
}

MutableBytes Loop::plain_buffer() {
  if (!plain_buffer_) plain_buffer_ = std::make_unique<std::array<std::byte, kPlainBuffer>>();
  return {plain_buffer_->data(), kPlainBuffer};
}

void Loop::defer(UniqueFunction<void()> function) {
  deferred_.push_back(std::move(function));
  uv_idle_start(ready_.get(), [](uv_idle_t* idle) {
    if (idle->data != nullptr) static_cast<Loop*>(idle->data)->run_deferred();
  });
}

void Loop::run_deferred() {
  auto batch = std::exchange(deferred_, {});
  for (auto& function : batch) function();
  if (deferred_.empty() && ready_) uv_idle_stop(ready_.get());
}

}  // namespace perilune::event
