#include "proto/mysql/probe.hh"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "event/first_of.hh"
#include "net/connect.hh"
#include "net/stream.hh"
#include "proto/mysql/break_off.hh"
#include "proto/mysql/channel.hh"
#include "wire/mysql/handshake.hh"
#include "wire/mysql/reply.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;

namespace {

constexpr std::size_t kGreetingLimit = 4096;

event::Task<int> finish_connecting(net::Connecting& connecting) { co_return co_await connecting; }

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
  event::Task<> connect(net::Endpoint server, Millis limit);
  event::Task<session::Likeness> receive_greeting();

  event::Loop& loop_;
  event::TaskGroup& background_;
  std::unique_ptr<net::Stream> stream_;
  std::uint8_t sequence_ = 0;
  bool over_ = false;  // nothing that speaks this protocol waits for an answer
};

event::Task<session::Likeness> Probe::ask(net::Endpoint server, Millis limit) {
  co_await connect(std::move(server), limit);
  co_return co_await receive_greeting();
}

event::Task<> Probe::connect(net::Endpoint server, Millis limit) {
  std::vector<net::Address> addresses;
  if (const auto* address = std::get_if<net::Address>(&server)) {
    addresses.push_back(*address);
  } else {
    addresses = co_await net::resolve(loop_, std::get<net::HostName>(server));
  }
  const Millis share = limit / static_cast<Millis::rep>(addresses.size());
  std::optional<int> status;
  for (const net::Address& address : addresses) {
    net::Connecting connecting{loop_, address};
    auto attempt = finish_connecting(connecting);
    status = co_await event::within(loop_, share, std::move(attempt));
    if (status != 0) continue;
    stream_ = connecting.take();
    co_return;
  }
  event::check(status.value_or(UV_ETIMEDOUT), "connect");
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
