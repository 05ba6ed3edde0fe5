#pragma once

// How Admin's threads wait for others.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/admin.hh"

namespace perilune::daemon {

// Answers to one question, as they come in. Lives for as long as the asker or an answerer.
template <typename T>
class Answers {
 public:
  explicit Answers(std::size_t count) : values_(count), missing_(count) {}

  void take(std::size_t index, T value) {
    const std::scoped_lock lock{mutex_};
    values_[index] = std::move(value);
    --missing_;
    changed_.notify_all();
  }

  // Until all have come, the time is over, or nobody waits any longer.
  std::vector<std::optional<T>> wait(Millis limit, const std::atomic<bool>& abandoned) {
    constexpr Millis kLookEvery{50};
    const auto end = Clock::now() + limit;
    std::unique_lock lock{mutex_};
    while (missing_ > 0 && Clock::now() < end && !abandoned.load(std::memory_order_relaxed)) {
      changed_.wait_for(lock, kLookEvery);
    }
    return std::exchange(values_, std::vector<std::optional<T>>(values_.size()));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::optional<T>> values_;
  std::size_t missing_;
};

template <typename T, typename Look>
std::vector<T> Admin::ask_workers(Look look, std::vector<unsigned>& silent) {
  std::vector<T> said;
  const auto branches = sources_.branches.get();
  if (!branches) return said;
  const auto answers = std::make_shared<Answers<T>>(branches->size());
  for (std::size_t i = 0; i < branches->size(); ++i) {
    const Branch& there = (*branches)[i];
    there.mailbox->post([answers, there, i, look] { answers->take(i, look(there)); });
  }
  auto values = answers->wait(Directory::kPatience, abandoned_);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i]) {
      said.push_back(*std::move(values[i]));
    } else {
      silent.push_back((*branches)[i].worker);
    }
  }
  return said;
}

}  // namespace perilune::daemon
