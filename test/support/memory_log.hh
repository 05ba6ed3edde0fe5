#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "log/query_log.hh"
#include "session/declared_log.hh"

namespace perilune::test {

// A log of statements whose queue the test reads itself.
class MemoryLog {
 public:
  explicit MemoryLog(log::QueryLogOptions options = {})
      : log_(std::make_shared<log::QueryLog>(options, nullptr, waker_, 1)) {
    declared_->options = std::move(options);
    declared_->log = log_;
    declared_->producer = &log_->producer(0);
  }

  std::shared_ptr<const session::DeclaredLog> declared() const { return declared_; }
  log::QueryLogCounters& counters() { return log_->counters(); }
  log::Producer& producer() { return log_->producer(0); }

  // What has come since, at most so many items, and makes room.
  std::vector<std::string> take(std::size_t most = SIZE_MAX) {
    std::vector<log::Ring::Item> items;
    producer().ring().peek(items, {most, SIZE_MAX});
    std::vector<std::string> taken;
    for (const auto& item : items) taken.emplace_back(item.bytes);
    if (!items.empty()) producer().ring().pop(items.back().end);
    return taken;
  }

 private:
  log::Waker waker_;
  std::shared_ptr<log::QueryLog> log_;
  std::shared_ptr<session::DeclaredLog> declared_ = std::make_shared<session::DeclaredLog>();
};

template <typename... Logs>
session::LogList log_list(const Logs&... logs) {
  using List = std::vector<std::shared_ptr<const session::DeclaredLog>>;
  return std::make_shared<const List>(List{logs.declared()...});
}

}  // namespace perilune::test
