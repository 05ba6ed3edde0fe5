#include "daemon/directory.hh"

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "event/first_of.hh"
#include "event/latch.hh"
#include "event/timer.hh"
#include "session/session.hh"

namespace perilune::daemon {

namespace {

event::Task<> until(event::Latch& latch) { co_await latch; }

}  // namespace

// What the other workers were asked at once. Lives on the asker's thread; gone with the asker.
template <typename T>
struct Directory::Asked {
  struct Answer {
    unsigned worker;
    std::optional<T> value;
  };

  explicit Asked(event::Loop& loop) : over(loop) {}

  void take(std::size_t index, T value, bool suffices) {
    answers[index].value = std::move(value);
    if (suffices || --missing == 0) over.set();
  }

  std::vector<Answer> answers;
  std::size_t missing = 0;
  event::Latch over;  // one has said enough, or all have answered
};

template <typename T, typename Look, typename Suffices>
std::shared_ptr<Directory::Asked<T>> Directory::ask_others(Look look, Suffices suffices) {
  auto asked = std::make_shared<Asked<T>>(loop_);
  const std::vector<Branch> asked_branches = others();
  asked->missing = asked_branches.size();
  if (asked_branches.empty()) asked->over.set();
  for (const Branch& there : asked_branches) {
    const std::size_t index = asked->answers.size();
    asked->answers.push_back({there.worker, std::nullopt});
    there.mailbox->post(
        [weak = std::weak_ptr{asked}, home = own_.mailbox, there, index, look, suffices] {
          if (weak.expired()) return;
          home->post([weak, index, suffices, value = look(there)]() mutable {
            const bool enough = suffices(value);
            if (const auto asker = weak.lock()) asker->take(index, std::move(value), enough);
          });
        });
  }
  return asked;
}

template <typename T>
event::Task<std::vector<T>> Directory::answers_of(std::shared_ptr<Asked<T>> asked) {
  auto answering = until(asked->over);
  const bool in_time = co_await event::within(loop_, patience_, std::move(answering));
  std::vector<T> values;
  for (auto& answer : asked->answers) {
    if (answer.value) {
      values.push_back(*std::move(answer.value));
    } else if (!in_time) {
      report_silence(answer.worker);
    }
  }
  co_return values;
}

event::Task<std::vector<session::SessionRow>> Directory::all() {
  using Rows = std::vector<session::SessionRow>;
  auto asked = ask_others<Rows>(
      [](const Branch& there) { return session::rows_of(*there.sessions, there.worker); },
      [](const Rows&) { return false; });
  std::vector<Rows> answers = co_await answers_of<Rows>(std::move(asked));
  Rows rows = session::rows_of(*own_.sessions, own_.worker);
  for (Rows& more : answers) std::ranges::move(more, std::back_inserter(rows));
  std::ranges::sort(rows, {}, &session::SessionRow::id);
  co_return rows;
}

event::Task<bool> Directory::disconnect(std::uint32_t id) {
  if (session::disconnect(*own_.sessions, id)) co_return true;
  auto asked = ask_others<bool>(
      [id](const Branch& there) { return session::disconnect(*there.sessions, id); },
      [](bool found) { return found; });
  const std::vector<bool> answers = co_await answers_of<bool>(std::move(asked));
  co_return std::ranges::find(answers, true) != answers.end();
}

event::Task<std::optional<session::ServerThread>> Directory::thread_of(std::uint32_t id) {
  using Thread = std::optional<session::ServerThread>;
  Thread found = session::thread_of(*own_.sessions, id);
  if (found) co_return found;
  auto asked = ask_others<Thread>(
      [id](const Branch& there) { return session::thread_of(*there.sessions, id); },
      [](const Thread& thread) { return thread.has_value(); });
  std::vector<Thread> answers = co_await answers_of<Thread>(std::move(asked));
  for (Thread& answer : answers) {
    if (answer) found = std::move(answer);
  }
  co_return found;
}

event::Task<std::optional<session::CancelTarget>> Directory::cancel_target(std::uint32_t id,
                                                                           Buffer key) {
  using Target = std::optional<session::CancelTarget>;
  Target found = session::cancel_target(*own_.sessions, id, key);
  if (found) co_return found;
  auto asked = ask_others<Target>(
      [id, key = std::move(key)](const Branch& there) {
        return session::cancel_target(*there.sessions, id, key);
      },
      [](const Target& target) { return target.has_value(); });
  std::vector<Target> answers = co_await answers_of<Target>(std::move(asked));
  for (Target& answer : answers) {
    if (answer) found = std::move(answer);
  }
  co_return found;
}

template <typename Function>
void Directory::tell_all(Function function) {
  for (const Branch& there : others()) {
    there.mailbox->post([there, function] { function(*there.sessions); });
  }
  // Never inside a session's own callback.
  loop_.defer([sessions = own_.sessions, function] { function(*sessions); });
}

void Directory::empty_node(std::shared_ptr<const cluster::Node> node, Millis limit) {
  tell_all([node](session::SessionList& sessions) { session::drain_at(sessions, *node); });
  if (limit > Millis{}) tasks_.spawn(empty_later(std::move(node), limit));
}

event::Task<> Directory::empty_later(std::shared_ptr<const cluster::Node> node, Millis limit) {
  co_await event::Sleep(loop_, limit);
  if (!node->is_draining()) co_return;
  tell_all([node](session::SessionList& sessions) { session::stop_at(sessions, *node); });
}

std::vector<Branch> Directory::others() const {
  std::vector<Branch> others;
  const auto all = branches_.get();
  if (!all) return others;
  std::ranges::copy_if(*all, std::back_inserter(others),
                       [this](const Branch& branch) { return branch.worker != own_.worker; });
  return others;
}

void Directory::report_silence(unsigned worker) {
  if (const auto missed = throttle_.admit(Clock::now())) {
    logger_.warning("a worker does not answer, its sessions are left out",
                    log::field("worker", worker), log::field("suppressed", *missed));
  }
}

}  // namespace perilune::daemon
