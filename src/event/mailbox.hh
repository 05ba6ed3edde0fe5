#pragma once

#include <mutex>
#include <vector>

#include "event/handle.hh"
#include "event/loop.hh"
#include "util/unique_function.hh"

namespace perilune::event {

// Functions from other threads, run in order on the loop's thread. post() may be called from any
// thread until the mailbox is closed by its own; what comes later is dropped (and its captures are
// destroyed in the sender).
class Mailbox {
 public:
  explicit Mailbox(Loop& loop);
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  ~Mailbox() { close(); }

  void post(UniqueFunction<void()> function);
  void close() noexcept;  // by the loop's thread

 private:
  void deliver();

  std::mutex mutex_;
  std::vector<UniqueFunction<void()>> waiting_;
  bool closed_ = false;
  Handle<uv_async_t> async_;
};

}  // namespace perilune::event
