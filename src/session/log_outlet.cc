#include "session/log_outlet.hh"

#include <algorithm>
#include <iterator>
#include <utility>

#include "event/first_of.hh"
#include "session/session.hh"

namespace perilune::session {

namespace {

using OnFull = log::QueryLogOptions::OnFull;

// For what on_log decides about without a log of the client's.
constexpr std::uint64_t kUsualStatement = log::QueryLogOptions::kUsualStatement;
constexpr std::size_t kRawPiece = 16 * 1024;

template <typename Predicate>
bool any_of(const LogList& logs, Predicate predicate) noexcept {
  return logs && std::ranges::any_of(*logs, predicate);
}

}  // namespace

LogOutlets::~LogOutlets() {
  retry_left();
  for (const Left& left : left_) left.log->producer->count_dropped();
}

void LogOutlets::take_over(Left left) {
  std::uint64_t held = left.bytes.size();
  for (const Left& other : left_) {
    if (other.log->log == left.log->log) held += other.bytes.size();
  }
  if (held > left.log->options.buffer) return left.log->producer->count_dropped();
  left_.push_back(std::move(left));
}

void LogOutlets::retry_left() {
  const auto now = Clock::now();
  std::vector<const log::QueryLog*> full;
  std::erase_if(left_, [&](const Left& left) {
    const log::QueryLog* const log = left.log->log.get();
    if (std::ranges::find(full, log) != full.end()) return false;
    if (left.log->producer->push(left.bytes, left.session)) return true;
    full.push_back(log);
    if (now < left.until) return false;
    left.log->producer->count_dropped();
    return true;
  });
}

void LogOutlets::retry() {
  retry_left();
  const std::vector<LogOutlet*> all = waiting_;
  for (LogOutlet* const outlet : all) outlet->retry();
}

LogOutlet::LogOutlet(Session& session)
    : session_(session),
      client_(session.client_name()),
      server_(session.server ? session.server.expand().text() : std::string{}) {}

LogOutlet::~LogOutlet() {
  retry();
  leave_kept();
  for (const Raw& raw : raw_) raw.log->producer->end_session(session_.id());
}

// --- what is wanted

bool LogOutlet::is_wanted(Session& session) noexcept {
  return session.logs || session.hooks().has_on_log();
}

std::uint64_t LogOutlet::max_statement() const noexcept {
  std::uint64_t most = session_.hooks().has_on_log() ? kUsualStatement : 0;
  if (!session_.logs) return most;
  for (const auto& log : *session_.logs) most = std::max(most, log->options.max_statement);
  return most;
}

bool LogOutlet::wants_parameters() const noexcept {
  return session_.hooks().has_on_log() ||
         any_of(session_.logs, [](const auto& log) { return log->options.parameters; });
}

bool LogOutlet::wants_raw() const noexcept {
  return any_of(session_.logs, [](const auto& log) { return log->is_raw(); });
}

// --- records

void LogOutlet::write(log::Record& record) {
  fill_in(record);
  if (!session_.hooks().has_on_log()) return write_to(session_.logs, record);
  const std::optional<LogList> chosen = session_.hooks().on_log(record);
  write_to(chosen ? *chosen : session_.logs, record);
}

void LogOutlet::fill_in(log::Record& record) const {
  record.session = session_.id();
  record.protocol = name_of(session_.listener().declaration.protocol);
  record.client = client_;
  record.account = session_.account;
  record.user = session_.user.text();
  record.database = session_.database.text();
  record.server = server_;
}

void LogOutlet::write_to(const LogList& logs, const log::Record& record) {
  if (!logs) return;
  std::string& line = session_.services().log_outlets.line();
  for (const auto& log : *logs) {
    if (log->is_raw() || log->producer == nullptr) continue;
    line.clear();
    log->log->format()(line, record, log->options);
    push(log, line);
  }
}

void LogOutlet::write_raw(Bytes bytes) {
  if (!session_.logs || bytes.empty()) return;
  for (const auto& log : *session_.logs) {
    if (log->is_raw() && log->producer != nullptr) write_raw_to(log, bytes);
  }
}

// In pieces that fit the smallest queue.
void LogOutlet::write_raw_to(const std::shared_ptr<const DeclaredLog>& log, Bytes bytes) {
  auto raw = std::ranges::find(raw_, log, &Raw::log);
  if (raw == raw_.end()) {
    raw_.push_back({log});
    raw = std::prev(raw_.end());
  }
  const std::size_t most = std::min<std::size_t>(kRawPiece, log->options.buffer / 4);
  while (!bytes.empty() && !raw->is_lost) {
    const Bytes piece = bytes.first(std::min(bytes.size(), most));
    bytes = bytes.subspan(piece.size());
    raw->is_lost = !push(log, as_text(piece));
  }
}

// Behind what is kept for the same log comes everything else of it. False: it is dropped.
bool LogOutlet::push(const std::shared_ptr<const DeclaredLog>& log, std::string_view bytes) {
  const bool waits = std::ranges::find(kept_, log, &Kept::log) != kept_.end();
  if (!waits && push_now(*log, bytes)) return true;
  const bool may_wait =
      log->options.on_full == OnFull::Block && log->producer->can_ever_hold(bytes.size());
  if (!may_wait) {
    log->producer->count_dropped();
    return false;
  }
  if (kept_.empty()) session_.services().log_outlets.enter(*this);
  kept_.push_back({log, std::string(bytes)});
  return true;
}

bool LogOutlet::push_now(const DeclaredLog& log, std::string_view bytes) {
  return log.producer->push(bytes, session_.id());
}

// --- no room

// Those of another log need not wait for the first one's.
void LogOutlet::retry() {
  if (kept_.empty()) return;
  std::vector<const DeclaredLog*> full;
  std::erase_if(kept_, [&](const Kept& kept) {
    if (std::ranges::find(full, kept.log.get()) != full.end()) return false;
    const bool pushed = push_now(*kept.log, kept.bytes);
    if (!pushed) full.push_back(kept.log.get());
    return pushed;
  });
  if (!kept_.empty()) return;
  session_.services().log_outlets.leave(*this);
  if (room_) room_->set();
}

// The session has ended: its records are not lost for that. A raw stream ends with it.
void LogOutlet::leave_kept() {
  LogOutlets& outlets = session_.services().log_outlets;
  const auto now = Clock::now();
  std::erase_if(kept_, [&](Kept& kept) {
    if (kept.log->is_raw()) return false;
    const auto until = now + kept.log->options.block_timeout;
    outlets.take_over({kept.log, std::move(kept.bytes), session_.id(), until});
    return true;
  });
  if (kept_.empty()) outlets.leave(*this);
  drop_kept();
}

void LogOutlet::drop_kept() {
  if (kept_.empty()) return;
  for (const Kept& kept : kept_) {
    kept.log->producer->count_dropped();
    const auto raw = std::ranges::find(raw_, kept.log, &Raw::log);
    if (raw != raw_.end()) raw->is_lost = true;
  }
  kept_.clear();
  session_.services().log_outlets.leave(*this);
}

event::Task<> LogOutlet::until_room() { co_await *room_; }

event::Task<> LogOutlet::settle() {
  if (kept_.empty()) co_return;
  room_.emplace(session_.loop());
  const Millis limit = kept_.front().log->options.block_timeout;
  event::Task<> waiting = until_room();
  const bool in_time = co_await event::within(session_.loop(), limit, std::move(waiting));
  if (!in_time) drop_kept();
  room_.reset();
}

}  // namespace perilune::session
