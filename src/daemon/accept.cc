// Accepting: by the only worker itself, or here for several.

#include <algorithm>
#include <cstring>
#include <utility>

#include "daemon/ask_worker.hh"
#include "daemon/supervisor.hh"
#include "util/error.hh"

namespace perilune::daemon {

namespace {

std::vector<OpenListener> flatten(const std::vector<Sockets>& sockets) {
  std::vector<OpenListener> flat;
  for (std::size_t index = 0; index < sockets.size(); ++index) {
    for (const auto& socket : sockets[index]) flat.push_back({socket, index});
  }
  return flat;
}

}  // namespace

event::Task<> Supervisor::prepare_accepting(const std::vector<Sockets>& sockets) {
  std::vector<OpenListener> flat = flatten(sockets);
  if (workers_.size() > 1) {
    acceptors_.prepare(std::move(flat));
    co_return;
  }
  Worker& only = *workers_.front();
  UniqueFunction<void(event::Reply<std::string>)> question{
      [&only, flat = std::move(flat)](event::Reply<std::string> reply) mutable {
        only.prepare_accepting(std::move(flat), std::move(reply));
      }};
  const std::string error = co_await ask_worker<std::string>(only, std::move(question));
  if (!error.empty()) throw ConfigError(error);
}

void Supervisor::stop_accepting() {
  acceptors_.clear();
  listeners_.close();
  control_.close();
  http_.close();
}

void Supervisor::hand_over(UniqueFd socket, net::Address peer, std::size_t listener) {
  least_busy().hand_over(std::move(socket), peer, listener);
}

// Fewest sessions, counted here at hand-over; a worker that is stuck in its script gets none unless
// all are.
Worker& Supervisor::least_busy() {
  std::size_t best = 0;
  for (std::size_t i = 1; i < workers_.size(); ++i) {
    const auto rank = [this](std::size_t index) {
      return std::pair{worker_stuck_[index], workers_[index]->sessions()};
    };
    if (rank(i) < rank(best)) best = i;
  }
  return *workers_[best];
}

void Supervisor::report_pause(int error) {
  registry_.control().accept_pauses.add();
  if (const auto missed = accept_throttle_.admit(Clock::now())) {
    logger_.error("accepting paused", log::field("reason", std::strerror(error)),
                  log::field("suppressed", *missed));
  }
}

}  // namespace perilune::daemon
