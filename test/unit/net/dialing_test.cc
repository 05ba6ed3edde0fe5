#include "net/dialing.hh"

#include <memory>
#include <utility>
#include <vector>

#include "event/task_group.hh"
#include "net/listener.hh"
#include "support/catch.hh"
#include "support/run_task.hh"

namespace perilune::net {

namespace {

Address any_port() { return Address::ipv4({htonl(INADDR_LOOPBACK)}, 0); }

// An address where connecting hangs: the queue of new connections is full and nobody accepts.
class BlackHole {
 public:
  explicit BlackHole(event::Loop& loop) : socket_(ListenSocket::bind(any_port(), 0, {})) {
    for (int i = 0; i < 4; ++i)
      queued_.push_back(std::make_unique<Connecting>(loop, address()));
  }
  const Address& address() const { return socket_->address(); }

 private:
  std::shared_ptr<ListenSocket> socket_;
  std::vector<std::unique_ptr<Connecting>> queued_;
};

// A port that nobody listens on.
Address refusing() { return ListenSocket::bind(any_port(), 1, {})->address(); }

event::Task<> connects(Dialing& dialing, std::vector<Address> addresses, Millis limit) {
  const auto stream = co_await dialing.dial_any(std::move(addresses), limit);
  CHECK(stream != nullptr);
}

event::Task<> dials(Dialing& dialing, Endpoint target) {
  const auto stream = co_await dialing.dial(std::move(target), Millis{0});
  CHECK(stream != nullptr);
}

}  // namespace

TEST_CASE("dialing: an address that swallows everything leaves time for the others", "[net]") {
  event::Loop loop;
  BlackHole hole{loop};
  const auto server = ListenSocket::bind(any_port(), 1, {});
  Dialing dialing{loop};
  const Millis limit{600};
  const auto begin = Clock::now();
  test::run_task(loop, connects(dialing, {hole.address(), server->address()}, limit));
  CHECK(Clock::now() - begin < limit);
  CHECK(dialing.address() == server->address());
}

TEST_CASE("dialing: an address that refuses makes way for the next one at once", "[net]") {
  event::Loop loop;
  const auto server = ListenSocket::bind(any_port(), 1, {});
  Dialing dialing{loop};
  test::run_task(loop, connects(dialing, {refusing(), server->address()}, Millis{0}));
  CHECK(dialing.address() == server->address());
}

TEST_CASE("dialing: what the last attempt failed with is what is said", "[net]") {
  event::Loop loop;
  Dialing dialing{loop};
  int code = 0;
  try {
    test::run_task(loop, dials(dialing, refusing()));
  } catch (const event::UvError& error) {
    code = error.code();
  }
  CHECK(code == UV_ECONNREFUSED);
  CHECK_FALSE(dialing.take_attempt().has_value());
}

TEST_CASE("dialing: a cancelled attempt can be taken over", "[net]") {
  event::Loop loop;
  BlackHole hole{loop};
  Dialing dialing{loop};
  {
    auto task = dials(dialing, hole.address());
    event::TaskGroup group{loop};
    group.spawn(std::move(task));
  }
  const auto attempt = dialing.take_attempt();
  REQUIRE(attempt.has_value());
  CHECK(attempt->is_pending());
  CHECK_FALSE(dialing.take_attempt().has_value());
}

}  // namespace perilune::net
