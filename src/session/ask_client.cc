#include "session/ask_client.hh"

#include <utility>

#include "event/latch.hh"
#include "util/error.hh"
#include "util/scope_exit.hh"

namespace perilune::session {

event::Task<bool> ask_client(Session& session, event::Countdown& clock, event::Task<bool> asking) {
  bool answer = false;
  bool gone = false;
  clock.resume();
  const ScopeExit paused([&clock] { clock.pause(); });
  try {
    answer = co_await std::move(asking);
  } catch (const ClientGone&) {
    gone = true;
  }
  if (gone) {
    session.stop(StopReason::ClientGone);
    event::Latch never{session.loop()};
    co_await never;
  }
  co_return answer;
}

}  // namespace perilune::session
