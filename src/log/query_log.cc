#include "log/query_log.hh"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace perilune::log {

Waker::Waker() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

Waker::~Waker() { ::close(fd_); }

void Waker::wake() noexcept {
  if (pending_.exchange(true, std::memory_order_seq_cst)) return;
  const std::uint64_t one = 1;
  // It cannot fail but by a counter that is full, which wakes as well.
  [[maybe_unused]] const ssize_t written = ::write(fd_, &one, sizeof one);
}

void Waker::reset() noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(fd_, &count, sizeof count);
  pending_.store(false, std::memory_order_seq_cst);
}

Producer::Producer(QueryLog& log, Waker& waker)
    : log_(log), waker_(waker), ring_(log.options().buffer) {}

// Behind the mark the writer tells when it has made room; that between the first attempt and the
// mark is found by the second one.
bool Producer::push(std::string_view bytes, std::uint32_t session) noexcept {
  bool pushed = ring_.push(bytes, session);
  if (!pushed) {
    awaits_room_.store(true, std::memory_order_seq_cst);
    pushed = ring_.push(bytes, session);
  }
  waker_.wake();
  auto& high_water = log_.counters().high_water;
  const std::uint64_t used = ring_.used();
  std::uint64_t before = high_water.load(std::memory_order_relaxed);
  while (used > before &&
         !high_water.compare_exchange_weak(before, used, std::memory_order_relaxed)) {
  }
  return pushed;
}

void Producer::count_dropped(std::uint64_t items) noexcept {
  log_.counters().dropped.fetch_add(items, std::memory_order_relaxed);
}

void Producer::set_room_function(UniqueFunction<void()> function) {
  const std::lock_guard lock{mutex_};
  room_ = std::move(function);
}

void Producer::end_session(std::uint32_t session) {
  {
    const std::lock_guard lock{mutex_};
    ends_.push_back({ring_.end(), session});
    has_ends_.store(true, std::memory_order_release);
  }
  waker_.wake();
}

std::optional<Producer::EndOfSession> Producer::next_end() {
  if (!has_ends_.load(std::memory_order_acquire)) return std::nullopt;
  const std::lock_guard lock{mutex_};
  return ends_.front();
}

void Producer::pop_end() {
  const std::lock_guard lock{mutex_};
  ends_.pop_front();
  has_ends_.store(!ends_.empty(), std::memory_order_release);
}

void Producer::tell_room() {
  if (!awaits_room_.exchange(false, std::memory_order_seq_cst)) return;
  const std::lock_guard lock{mutex_};
  if (room_) room_();
}

QueryLog::QueryLog(QueryLogOptions options, std::unique_ptr<Sink> sink, Waker& waker,
                   std::size_t workers)
    : options_(std::move(options)), format_(format_of(options_)), sink_(std::move(sink)) {
  for (std::size_t i = 0; i < workers; ++i) {
    producers_.push_back(std::make_unique<Producer>(*this, waker));
  }
}

}  // namespace perilune::log
