#include "proto/mysql/probe.hh"

#include <fmt/format.h>

#include <memory>
#include <stdexcept>
#include <utility>

#include "event/first_of.hh"
#include "net/dialing.hh"
#include "net/stream.hh"
#include "proto/mysql/break_off.hh"
#include "proto/mysql/channel.hh"
#include "wire/mysql/handshake.hh"
#include "wire/mysql/reply.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;

namespace {

constexpr std::size_t kGreetingLimit = 4096;

class Probe {
 public:
  Probe(event::Loop& loop, event::TaskGroup& background) : loop_(loop), background_(background) {}
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;
  ~Probe() {
    if (stream_ == nullptr || over_) return;
    LoginPoint point;
    point.sequence = sequence_;
    background_.spawn(break_off(loop_, std::move(stream_), std::move(point), HeldPlace{}));
  }

  event::Task<session::Likeness> ask(net::Endpoint server, Millis limit);

 private:
  event::Task<session::Likeness> receive_greeting();

  event::Loop& loop_;
  event::TaskGroup& background_;
  std::unique_ptr<net::Stream> stream_;
  std::uint8_t sequence_ = 0;
  bool over_ = false;  // nothing that speaks this protocol waits for an answer
};

event::Task<session::Likeness> Probe::ask(net::Endpoint server, Millis limit) {
  net::Dialing dialing{loop_};
  stream_ = co_await dialing.dial(std::move(server), limit);
  co_return co_await receive_greeting();
}

event::Task<session::Likeness> Probe::receive_greeting() {
  Channel channel{*stream_, "Server"};
  const Buffer payload = co_await channel.receive(kGreetingLimit);
  if (wire::is_err(payload)) {
    over_ = true;
    const auto err = wire::decode_err(payload);
    throw std::runtime_error(err ? fmt::format("{} {}", err->code, err->message)
                                 : "it refuses connections");
  }
  auto greeting = wire::decode_greeting(payload);
  if (!greeting) {
    over_ = true;
    throw std::runtime_error(fmt::format("malformed greeting: {}", greeting.error().what));
  }
  sequence_ = channel.sequence();
  session::Likeness likeness;
  likeness.server_version = std::move(greeting->server_version);
  likeness.capabilities = greeting->capabilities;
  co_return likeness;
}

}  // namespace

event::Task<session::Likeness> probe(event::Loop& loop, event::TaskGroup& background,
                                     net::Endpoint server, Millis limit) {
  Probe probe{loop, background};
  auto asking = probe.ask(std::move(server), limit);
  auto likeness = co_await event::within(loop, limit, std::move(asking));
  if (!likeness) throw std::runtime_error("timed out");
  co_return *std::move(likeness);
}

}  // namespace perilune::proto::mysql
