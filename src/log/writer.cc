#include "log/writer.hh"

#include <poll.h>
#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <utility>

#include "util/error.hh"

namespace perilune::log {

namespace {

constexpr std::size_t kMostItems = 256;  // below IOV_MAX
constexpr std::size_t kMostBytes = 256 * 1024;
// What comes in small pieces is written together.
constexpr Millis kGathering{20};
// …unless some queue could be full before: eight times as much still finds room.
constexpr std::uint64_t kMuch = 1 << 20;
constexpr std::size_t kLittle = kMuch / 8;
constexpr Millis kFirstBackOff{100};
constexpr Millis kLongestBackOff{5000};
constexpr int kLongestWait = 1000;

// Signals are the control thread's.
void block_all_signals() noexcept {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

// The one with that target, made where there is none.
QueryLogSums& total_of(std::vector<Writer::Total>& totals, const std::string& target) {
  const auto found = std::ranges::find(totals, target, &Writer::Total::target);
  return found != totals.end() ? found->sums : totals.emplace_back(Writer::Total{target, {}}).sums;
}

}  // namespace

Writer::Writer(MakeSink make_sink, const Logger& logger) : make_sink_(make_sink), logger_(logger) {}

Writer::~Writer() { finish(Millis{0}); }

std::shared_ptr<QueryLog> Writer::open(const QueryLogOptions& options, std::size_t workers) {
  const std::lock_guard lock{mutex_};
  for (const auto& entry : entries_) {
    if (entry->log->options() == options) return entry->log;
  }
  auto log = std::make_shared<QueryLog>(options, make_sink_(options), waker_, workers);
  entries_.push_back(std::make_unique<Entry>(log));
  if (!thread_.joinable()) thread_ = std::thread{[this] { run(); }};
  return log;
}

void Writer::reopen() noexcept {
  reopens_.store(true);
  waker_.wake();
}

std::vector<Writer::View> Writer::logs() const {
  const std::lock_guard lock{mutex_};
  std::vector<View> views;
  for (const auto& entry : entries_) views.push_back({entry->log->options(), sums_of(*entry->log)});
  return views;
}

std::vector<Writer::Total> Writer::totals() const {
  const std::lock_guard lock{mutex_};
  std::vector<Total> totals = gone_;
  for (const auto& entry : entries_) {
    total_of(totals, entry->log->options().target).add(sums_of(*entry->log));
  }
  return totals;
}

void Writer::finish(Millis limit) {
  if (!thread_.joinable()) return;
  finish_by_ = Clock::now() + limit;
  finishes_.store(true);
  waker_.wake();
  thread_.join();
}

// --- the thread

void Writer::run() {
  block_all_signals();
  pthread_setname_np(pthread_self(), "query logs");
  for (;;) {
    const bool finishes = finishes_.load();
    if (reopens_.exchange(false)) reopen_all();
    moved_ = 0;
    for (Entry* const entry : entries()) look_at(*entry);
    retire();
    if (finishes && (is_all_written() || Clock::now() >= finish_by_)) break;
    wait();
  }
  drop_rest();
}

// Entries are removed by this thread alone.
std::vector<Writer::Entry*> Writer::entries() {
  const std::lock_guard lock{mutex_};
  std::vector<Entry*> list;
  for (const auto& entry : entries_) list.push_back(entry.get());
  return list;
}

void Writer::look_at(Entry& entry) {
  const auto& producers = entry.log->producers();
  if (entry.retry_at > Clock::now() && !finishes_.load()) {
    entry.has_more = std::ranges::any_of(
        producers, [](const auto& producer) { return producer->ring().used() > 0; });
    return report_drops(entry);
  }
  entry.has_more = false;
  entry.is_busy = !entry.log->sink().flush();
  for (const auto& producer : producers) {
    const bool all = drain(entry, *producer);
    entry.has_more = entry.has_more || !all;
  }
  report_drops(entry);
}

// One batch; false: there is more.
bool Writer::drain(Entry& entry, Producer& producer) {
  producer.ring().peek(items_, {kMostItems, kMostBytes});
  // Looked for behind the items: those that came after an end are not seen without it.
  const auto end = producer.next_end();
  if (end) producer.ring().peek(items_, {kMostItems, kMostBytes, end->position});
  if (items_.empty()) {
    if (!end) return true;
    entry.log->sink().end_session(end->session);
    producer.pop_end();
    return false;
  }
  const Sink::Outcome outcome = entry.log->sink().write(items_);
  take(entry, producer, outcome);
  const bool all = outcome.done == items_.size();
  entry.is_busy = entry.is_busy || (!all && outcome.error == 0);
  return all && producer.ring().used() == 0 && !end;
}

void Writer::take(Entry& entry, Producer& producer, const Sink::Outcome& outcome) {
  QueryLogCounters& counters = entry.log->counters();
  counters.written.fetch_add(outcome.done - outcome.lost, std::memory_order_relaxed);
  counters.dropped.fetch_add(outcome.lost, std::memory_order_relaxed);
  counters.bytes.fetch_add(outcome.bytes, std::memory_order_relaxed);
  moved_ += outcome.bytes;
  if (outcome.done > 0) {
    producer.ring().pop(items_[outcome.done - 1].end);
    producer.tell_room();
  }
  if (outcome.error != 0) {
    failed(entry, outcome.error);
  } else if (outcome.done > outcome.lost && entry.back_off.count() > 0) {
    entry.back_off = Millis{0};
    logger_.notice("query log can be written again", field("log", entry.log->options().target));
  }
}

void Writer::failed(Entry& entry, int error) {
  entry.log->counters().errors.fetch_add(1, std::memory_order_relaxed);
  if (entry.back_off.count() == 0) {
    logger_.error("query log cannot be written", field("log", entry.log->options().target),
                  field("reason", std::strerror(error)));
  }
  entry.back_off = std::clamp(entry.back_off * 2, kFirstBackOff, kLongestBackOff);
  entry.retry_at = Clock::now() + entry.back_off;
}

void Writer::report_drops(Entry& entry) {
  const std::uint64_t dropped = entry.log->counters().dropped.load(std::memory_order_relaxed);
  if (dropped == entry.reported_drops) return;
  const auto missed = entry.throttle.admit(Clock::now());
  if (!missed) return;
  logger_.warning("query log is incomplete", field("log", entry.log->options().target),
                  field("dropped", dropped - entry.reported_drops));
  entry.reported_drops = dropped;
}

void Writer::reopen_all() {
  for (Entry* const entry : entries()) {
    entry->retry_at = {};
    const int error = entry->log->sink().reopen();
    if (error == 0) continue;
    entry->log->counters().errors.fetch_add(1, std::memory_order_relaxed);
    logger_.error("query log cannot be reopened", field("log", entry->log->options().target),
                  field("reason", std::strerror(error)));
  }
}

// open() hands logs out under the same lock: what has no other owner here has none.
void Writer::retire() {
  const std::lock_guard lock{mutex_};
  std::erase_if(entries_, [this](const auto& entry) {
    const bool is_done = !entry->has_more && !entry->is_busy;
    const bool is_gone = entry->log.use_count() == 1 && is_done;
    if (is_gone) remember(*entry->log);
    return is_gone;
  });
}

void Writer::remember(const QueryLog& log) {
  total_of(gone_, log.options().target).add(sums_of(log));
  if (gone_.size() > kMostGone) gone_.erase(gone_.begin());
}

bool Writer::is_all_written() {
  const auto all = entries();
  return std::ranges::none_of(all, [](const Entry* e) { return e->has_more || e->is_busy; });
}

void Writer::wait() {
  std::vector<pollfd> polled{{waker_.fd(), POLLIN, 0}};
  const auto all = entries();
  for (const Entry* const entry : all) {
    if (entry->is_busy) entry->log->sink().wait_for(polled);
  }
  // Many small records become one write; nobody waits for them.
  const bool may_gather = std::ranges::all_of(all, [](const Entry* entry) {
    return !entry->has_more && !entry->is_busy && entry->log->options().buffer >= kMuch;
  });
  if (may_gather && moved_ > 0 && moved_ < kLittle && !finishes_.load()) {
    ::poll(nullptr, 0, static_cast<int>(kGathering.count()));
  }
  ::poll(polled.data(), polled.size(), millis_to_wait(all, Clock::now()));
  waker_.reset();
}

int Writer::millis_to_wait(const std::vector<Entry*>& all, Clock::time_point now) const {
  if (finishes_.load()) return 10;
  int millis = kLongestWait;
  for (const Entry* const entry : all) {
    const auto left = std::chrono::duration_cast<Millis>(entry->retry_at - now).count();
    if (left > 0) {
      millis = std::min<int>(millis, static_cast<int>(left) + 1);
    } else if (entry->has_more && !entry->is_busy) {
      millis = 0;
    }
  }
  return millis;
}

void Writer::drop_rest() {
  for (Entry* const entry : entries()) {
    std::uint64_t dropped = 0;
    for (const auto& producer : entry->log->producers()) {
      do {
        producer->ring().peek(items_, {kMostItems, kMostBytes});
        dropped += items_.size();
        if (!items_.empty()) producer->ring().pop(items_.back().end);
      } while (!items_.empty());
    }
    if (dropped == 0) continue;
    entry->log->counters().dropped.fetch_add(dropped, std::memory_order_relaxed);
    logger_.warning("query log is incomplete at the end",
                    field("log", entry->log->options().target), field("dropped", dropped));
  }
}

}  // namespace perilune::log
