#pragma once

#include <fmt/format.h>

#include <utility>

#include "daemon/supervisor.hh"
#include "event/ask.hh"
#include "event/first_of.hh"
#include "event/timer.hh"
#include "util/error.hh"

namespace perilune::daemon {

// Throws ConfigError when the worker is stuck in a script for longer than a load may take: the
// question is not asked then any more, and an answer is not taken.
template <typename T>
event::Task<T> Supervisor::ask_worker(Worker& worker,
                                      UniqueFunction<void(event::Reply<T>)> question) {
  constexpr Millis kLookEvery{100};
  constexpr Millis kGrace{1000};
  constexpr Millis kLoadTimeout = session::ScriptSettings{}.load_timeout;
  Millis limit = loop_.now() + kGrace;
  limit += generation_ ? generation_->settings().load_timeout : kLoadTimeout;
  event::Latch given_up{loop_};
  const event::PeriodicTimer look{loop_, kLookEvery, [this, &worker, &given_up, limit] {
                                    const bool is_late = loop_.now() > limit;
                                    if (is_late && worker_stuck_[worker.index()]) given_up.set();
                                  }};
  auto answer = event::ask<T>(event::Home{loop_, mailbox_}, worker.mailbox(), std::move(question));
  const bool answered = co_await event::FirstOf<T>(answer, given_up);
  if (!answered) {
    throw ConfigError(
        fmt::format("worker {} does not answer: it is stuck in a script", worker.index()));
  }
  co_return answer.take();
}

}  // namespace perilune::daemon
