#include <memory>
#include <optional>
#include <string>

#include "event/task_group.hh"
#include "event/timer.hh"
#include "session/pump.hh"
#include "support/catch.hh"
#include "support/run_task.hh"
#include "support/scripted_peer.hh"
#include "support/socket_pair.hh"

namespace perilune::session {

namespace {

constexpr std::size_t kMuch = 16 << 20;  // more than the kernel holds for two sockets

class PassAll final : public Tap {
 public:
  Verdict from_client(Bytes data) override { return {data.size(), Verdict::Then::Continue}; }
  Verdict from_server(Bytes data) override { return {data.size(), Verdict::Then::Continue}; }
};

event::Task<> keep_end(Pump& pump, std::optional<PumpEnd>& end) { end = co_await pump.run(); }

// A pump that passes ends on, between two TCP connections, running.
struct Fixture {
  explicit Fixture(event::Loop& the_loop)
      : loop(the_loop),
        client_pair(test::make_tcp_pair()),
        server_pair(test::make_tcp_pair()),
        client(loop, std::move(client_pair.theirs)),
        server(loop, std::move(server_pair.theirs)),
        near(loop, std::move(client_pair.ours)),
        far(loop, std::move(server_pair.ours)),
        pump(near, far, tap, traffic, EndOfSide::IsPassedOn),
        group(loop) {
    group.spawn(keep_end(pump, end));
  }
  event::Loop& loop;
  test::SocketPair client_pair;
  test::SocketPair server_pair;
  test::ScriptedPeer client;
  test::ScriptedPeer server;
  net::Stream near;
  net::Stream far;
  PassAll tap;
  Traffic traffic;
  Pump pump;
  std::optional<PumpEnd> end;
  event::TaskGroup group;
};

event::Task<> until_ended(Fixture& f) {
  for (int turn = 0; turn < 2000 && !f.end; ++turn) {
    co_await event::Sleep(f.loop, Millis{1});
  }
  REQUIRE(f.end.has_value());
}

event::Task<> passes_on(event::Loop& loop, bool up) {
  Fixture f{loop};
  test::ScriptedPeer& first = up ? f.client : f.server;
  test::ScriptedPeer& second = up ? f.server : f.client;
  first.send("that is all");
  first.end();
  const std::string all = co_await second.receive_all();
  CHECK(all == "that is all");
  CHECK(second.stream().end_code() == 0);
  CHECK_FALSE(f.end.has_value());
  second.send("thank you");
  const std::string thanks = co_await first.receive(9);
  CHECK(thanks == "thank you");
  second.end();
  co_await until_ended(f);
  CHECK(*f.end == (up ? PumpEnd::ServerClosed : PumpEnd::ClientClosed));
  CHECK_FALSE(f.near.has_broken_off());
  CHECK_FALSE(f.far.has_broken_off());
}

event::Task<> comes_last(event::Loop& loop) {
  Fixture f{loop};
  const std::string much(kMuch, 'x');
  f.client.send(much);
  f.client.end();
  while (f.far.queued() <= net::Stream::kHighWater) co_await event::Sleep(loop, Millis{1});
  const std::string all = co_await f.server.receive_all();
  CHECK(all == much);
  CHECK(f.server.stream().end_code() == 0);
}

event::Task<> shows_reset(event::Loop& loop, bool up) {
  Fixture f{loop};
  test::ScriptedPeer& first = up ? f.client : f.server;
  test::ScriptedPeer& second = up ? f.server : f.client;
  first.send("half of");
  const std::string half = co_await second.receive(7);
  CHECK(half == "half of");
  first.stream().reset();
  co_await until_ended(f);
  CHECK(*f.end == (up ? PumpEnd::ClientClosed : PumpEnd::ServerClosed));
  CHECK((up ? f.near : f.far).has_broken_off());
  (up ? f.far : f.near).reset();
  const std::string rest = co_await second.receive_all();
  CHECK(rest.empty());
  CHECK(second.stream().end_code() == UV_ECONNRESET);
}

event::Task<> resets_queued(event::Loop& loop) {
  Fixture f{loop};
  f.client.send(std::string(kMuch, 'x'));
  while (f.far.queued() <= net::Stream::kHighWater) co_await event::Sleep(loop, Millis{1});
  f.client.stream().reset();
  auto reading = [](test::ScriptedPeer& peer, std::size_t& size) -> event::Task<> {
    const std::string all = co_await peer.receive_all();
    size = all.size();
  };
  std::size_t received = 0;
  f.group.spawn(reading(f.server, received));
  co_await until_ended(f);
  CHECK(*f.end == PumpEnd::ClientClosed);
  CHECK(f.near.has_broken_off());
  f.far.reset();
  while (!f.server.stream().has_ended()) co_await event::Sleep(loop, Millis{1});
  CHECK(f.server.stream().end_code() == UV_ECONNRESET);
  CHECK(received < kMuch);
}

// Nobody reads from a client that has ended its side: only writing to it shows that it is gone.
event::Task<> notices_when_writing(event::Loop& loop) {
  Fixture f{loop};
  f.client.end();
  const std::string nothing = co_await f.server.receive_all();
  CHECK(nothing.empty());
  f.client.stream().reset();
  for (int turn = 0; turn < 2000 && !f.end; ++turn) {
    f.server.send("is anybody there?");
    co_await event::Sleep(loop, Millis{1});
  }
  REQUIRE(f.end.has_value());
  CHECK(*f.end == PumpEnd::ClientClosed);
  CHECK(f.near.has_broken_off());
}

// What a server said before it broke off reaches a client that still reads.
event::Task<> delivers_before_reset(event::Loop& loop) {
  Fixture f{loop};
  f.server.send("too large");
  f.server.stream().reset();
  f.client.send("more");
  co_await until_ended(f);
  CHECK(*f.end == PumpEnd::ServerClosed);
  CHECK(f.far.has_broken_off());
  f.near.shut_down();
  const std::string words = co_await f.client.receive_all();
  CHECK(words == "too large");
}

}  // namespace

TEST_CASE("pump ends: a client's end is passed on, and the server may still speak", "[session]") {
  event::Loop loop;
  test::run_task(loop, passes_on(loop, true));
}

TEST_CASE("pump ends: a server's end is passed on, and the client may still speak", "[session]") {
  event::Loop loop;
  test::run_task(loop, passes_on(loop, false));
}

TEST_CASE("pump ends: an end comes behind everything that is queued", "[session]") {
  event::Loop loop;
  test::run_task(loop, comes_last(loop));
}

TEST_CASE("pump ends: a client that resets ends it, and is told from one that ends", "[session]") {
  event::Loop loop;
  test::run_task(loop, shows_reset(loop, true));
}

TEST_CASE("pump ends: a server that resets ends it, and is told from one that ends", "[session]") {
  event::Loop loop;
  test::run_task(loop, shows_reset(loop, false));
}

TEST_CASE("pump ends: a reset overtakes what is queued", "[session]") {
  event::Loop loop;
  test::run_task(loop, resets_queued(loop));
}

TEST_CASE("pump ends: a client that breaks off behind its end is noticed", "[session]") {
  event::Loop loop;
  test::run_task(loop, notices_when_writing(loop));
}

TEST_CASE("pump ends: what was said before a reset is delivered", "[session]") {
  event::Loop loop;
  test::run_task(loop, delivers_before_reset(loop));
}

}  // namespace perilune::session
