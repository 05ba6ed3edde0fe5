#include "session/statement_course.hh"

#include <algorithm>
#include <utility>

namespace perilune::session {

namespace {

// Of memory that is kept for what comes next.
constexpr std::size_t kKeptBytes = 4096;

}  // namespace

void StatementCourse::begin(WallTime wall_time, Clock::time_point now) noexcept {
  time = wall_time;
  sent = now;
  first.reset();
  rows.reset();
  affected.reset();
  std::string{}.swap(original);
  original_size = 0;
}

void StatementCourse::describe(log::Record& record, Clock::time_point now) const noexcept {
  record.time = time;
  record.original = original;
  record.original_size = original_size;
  record.duration = now - sent;
  record.first = first.value_or(now) - sent;
  record.rows = rows;
  record.affected = affected;
}

void Gathering::begin(std::size_t most) noexcept {
  most_ = most;
  size_ = 0;
  kept_.clear();
}

// Memory grows by doubling, but not beyond what may be kept.
void Gathering::take(Bytes piece) {
  size_ += piece.size();
  const std::size_t room = most_ - std::min(most_, kept_.size());
  const Bytes part = piece.first(std::min(room, piece.size()));
  const std::size_t needed = kept_.size() + part.size();
  if (needed > kept_.capacity()) {
    // By itself reserve() would go beyond.
    std::string larger;
    larger.reserve(std::min(most_, std::max(needed, 2 * kept_.capacity())));
    larger.append(kept_);
    kept_ = std::move(larger);
  }
  kept_.append(as_text(part));
}

void Gathering::forget() noexcept {
  if (kept_.capacity() > kKeptBytes) std::string{}.swap(kept_);
}

}  // namespace perilune::session
