#include "session/pump.hh"

#include <utility>

namespace perilune::session {

Pump::Pump(net::Stream& client, net::Stream& server, Tap& tap, Traffic& traffic,
           EndOfSide end_of_side) noexcept
    : tap_(tap),
      traffic_(traffic),
      up_(*this, client, server),
      down_(*this, server, client),
      end_of_side_(end_of_side) {}

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
  held_ = verdict.then == Verdict::Then::Hold;
  waits_ = held_ || verdict.then == Verdict::Then::Wait;
  if (to_.is_broken()) mind_broken_other();
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

// A client that takes nothing more is gone. A broken server ends the pump by the end of its
// reading side, which may still bring a farewell. Where ends are passed on, so does either side, if
// it is read.
void Pump::Direction::mind_broken_other() noexcept {
  const Direction& other = pump_.opposite(*this);
  const bool is_over = pump_.end_of_side_ == EndOfSide::EndsPump
                           ? !is_up()
                           : to_.has_ended() || to_.is_paused();
  if (is_over) pump_.end(other.at_end());
}

void Pump::Direction::after_data() {
  ++pump_.busy_;
  if (!pump_.end_) pump_.opposite(*this).other_moved();
  if (!pump_.end_ && from_.has_ended() && !from_.is_paused()) take_end(from_.end_code());
  --pump_.busy_;
  pump_.finish();
}

void Pump::Direction::on_end(int code) {
  take_end(code);
  pump_.finish();
}

// Kept data of a server whose client reads slowly is still to be delivered, and that of a client
// that has merely ended its side, unless the tap holds it; a client that broke off waits for
// nothing.
void Pump::Direction::take_end(int code) {
  if (pump_.end_of_side_ == EndOfSide::IsPassedOn) return pass_end_on(code);
  if (!from_.is_paused() || (is_up() && (held_ || code < 0))) pump_.end(at_end());
}

// A broken connection waits for nothing, and what it still owed is lost, as on a direct one.
void Pump::Direction::pass_end_on(int code) {
  const bool broke = code < 0 || from_.is_broken();
  if (from_.is_paused() && !broke) return;
  const bool first = !std::exchange(ended_, true);
  if (first && !broke) to_.shut_down();
  if (broke || pump_.opposite(*this).ended_) pump_.end(at_end());
}

// The stream this direction reads from has room again: the opposite one writes to it.
void Pump::Direction::on_drained() {
  ++pump_.busy_;
  if (from_.is_broken()) pump_.opposite(*this).mind_broken_other();
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
