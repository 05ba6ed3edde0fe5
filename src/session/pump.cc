#include "session/pump.hh"

#include <utility>

namespace perilune::session {

Pump::Pump(net::Stream& client, net::Stream& server, Tap& tap, Traffic& traffic) noexcept
    : tap_(tap), traffic_(traffic), up_(*this, client, server), down_(*this, server, client) {}

bool Pump::Run::await_suspend(std::coroutine_handle<> waiter) {
  pump_.waiter_ = waiter;
  return pump_.start();
}

Pump::Run::~Run() {
  pump_.waiter_ = {};
  pump_.detach();
}

bool Pump::start() {
  end_.reset();
  up_.reset();
  down_.reset();
  ++busy_;
  down_.from().set_receiver(&down_);
  up_.from().set_receiver(&up_);
  // The server's bytes first: what it still owes comes before the answers to new commands.
  down_.from().offer();
  if (!end_) up_.from().offer();
  --busy_;
  if (!end_) return true;
  detach();
  return false;
}

void Pump::detach() noexcept {
  up_.from().set_receiver(nullptr);
  down_.from().set_receiver(nullptr);
}

void Pump::finish() {
  if (!end_ || busy_ > 0 || !waiter_) return;
  detach();
  std::exchange(waiter_, {}).resume();
}

void Pump::interrupt() {
  end(PumpEnd::Interrupted);
  finish();
}

// --- one direction

std::size_t Pump::Direction::on_data(Bytes data) {
  if (pump_.end_) return 0;
  const Verdict verdict = inspect(data);
  to_.write(data.first(verdict.forward));
  if (verdict.then == Verdict::Then::Stop) pump_.end(PumpEnd::Stopped);
  waits_ = verdict.then == Verdict::Then::Wait;
  // A client that takes nothing more is gone. A broken server ends the pump by the end of its
  // reading side, which may still bring a farewell.
  if (to_.is_broken() && !is_up()) pump_.end(PumpEnd::ClientClosed);
  if (waits_ || to_.queued() > net::Stream::kHighWater || to_.is_broken()) from_.pause();
  return verdict.forward;
}

Verdict Pump::Direction::inspect(Bytes data) {
  const Verdict verdict = is_up() ? pump_.tap_.from_client(data) : pump_.tap_.from_server(data);
  Traffic& traffic = pump_.traffic_;
  (is_up() ? traffic.from_client : traffic.from_server) += verdict.forward;
  return verdict;
}

PumpEnd Pump::Direction::at_end() const noexcept {
  return is_up() ? PumpEnd::ClientClosed : PumpEnd::ServerClosed;
}

void Pump::Direction::after_data() {
  ++pump_.busy_;
  if (!pump_.end_) pump_.opposite(*this).other_moved();
  if (!pump_.end_ && from_.has_ended() && !from_.is_paused()) pump_.end(at_end());
  --pump_.busy_;
  pump_.finish();
}

// Kept data of a server whose client reads slowly is still to be delivered, and that of a client
// that has merely ended its side; a client that broke off waits for nothing.
void Pump::Direction::on_end(int code) {
  if (from_.is_paused() && !(is_up() && code < 0)) return;
  pump_.end(at_end());
  pump_.finish();
}

// The stream this direction reads from has room again: the opposite one writes to it.
void Pump::Direction::on_drained() {
  ++pump_.busy_;
  if (from_.is_broken() && is_up()) pump_.end(PumpEnd::ClientClosed);
  if (!pump_.end_) pump_.opposite(*this).queue_drained();
  --pump_.busy_;
  pump_.finish();
}

void Pump::Direction::other_moved() {
  if (std::exchange(waits_, false)) go_on();
}

void Pump::Direction::queue_drained() {
  if (!waits_) go_on();
}

void Pump::Direction::go_on() {
  if (to_.queued() > net::Stream::kHighWater || to_.is_broken()) return;
  from_.resume();
  from_.offer();
}

}  // namespace perilune::session
