#include "session/idle_watch.hh"

#include <utility>

namespace perilune::session {

IdleWatch::IdleWatch(Session& session, Progress progress)
    : session_(session), progress_(std::move(progress)) {
  arm();
}

void IdleWatch::arm() {
  deadline_.arm(session_.loop(), session_.options().idle_timeout, [this] { look(); });
}

void IdleWatch::look() {
  const std::uint64_t now = progress_();
  if (now == seen_) return session_.stop(StopReason::IdleTimeout);
  seen_ = now;
  arm();
}

std::unique_ptr<IdleWatch> watch_idleness(Session& session, IdleWatch::Progress progress) {
  if (session.options().idle_timeout.count() <= 0) return nullptr;
  return std::make_unique<IdleWatch>(session, std::move(progress));
}

std::unique_ptr<IdleWatch> watch_idleness_between_statements(Session& session,
                                                             UniqueFunction<bool()> is_busy) {
  return watch_idleness(
      session, [&session, is_busy = std::move(is_busy), busy_looks = std::uint64_t{0}]() mutable {
        if (is_busy()) ++busy_looks;
        return session.traffic.from_client + session.traffic.from_server + busy_looks;
      });
}

}  // namespace perilune::session
