#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "event/latch.hh"
#include "event/loop.hh"
#include "event/mailbox.hh"
#include "event/task.hh"
#include "util/unique_function.hh"

namespace perilune::event {

// The way back for one answer to another thread's question. May be called once, from any thread;
// an asker who no longer waits is not disturbed.
template <typename T>
class Reply {
 public:
  struct Slot {
    explicit Slot(Loop& loop) : ready(loop) {}
    Latch ready;
    std::optional<T> value;
  };

  Reply(Mailbox& home, std::shared_ptr<Slot> slot) : home_(&home), slot_(std::move(slot)) {}

  // Whether the asker still waits; false is final. What is not awaited need not be done.
  bool is_awaited() const noexcept { return slot_.use_count() > 1; }

  void operator()(T value) {
    home_->post([slot = std::move(slot_), value = std::move(value)]() mutable {
      slot->value.emplace(std::move(value));
      slot->ready.set();
    });
  }

 private:
  Mailbox* home_;
  std::shared_ptr<Slot> slot_;
};

// Where a thread waits for answers.
struct Home {
  Loop& loop;
  Mailbox& mailbox;
};

// Runs `question` on the thread that reads `there` and waits, on the thread of `home`, for what it
// replies.
template <typename T>
Task<T> ask(Home home, Mailbox& there, UniqueFunction<void(Reply<T>)> question) {
  auto slot = std::make_shared<typename Reply<T>::Slot>(home.loop);
  Reply<T> reply{home.mailbox, slot};
  there.post([question = std::move(question), reply = std::move(reply)]() mutable {
    question(std::move(reply));
  });
  co_await slot->ready;
  co_return std::move(*slot->value);
}

}  // namespace perilune::event
