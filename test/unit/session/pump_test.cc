#include "session/pump.hh"

#include <optional>
#include <string>

#include "event/task_group.hh"
#include "event/timer.hh"
#include "support/catch.hh"
#include "support/run_task.hh"
#include "support/scripted_peer.hh"
#include "support/socket_pair.hh"

namespace perilune::session {

namespace {

// Forwards everything up to a '!', at which it stops; holds the client back after a '?' until the
// server has said something; keeps a lone '<' until more follows.
class MarkTap final : public Tap {
 public:
  Verdict from_client(Bytes data) override {
    const std::string_view text = as_text(data);
    if (holding) return {0, Verdict::Then::Hold};
    if (waiting_for_server) return {0, Verdict::Then::Wait};
    if (text == "<") return {0, Verdict::Then::Continue};
    const std::size_t stop = text.find('!');
    if (stop != std::string_view::npos) return {stop, Verdict::Then::Stop};
    const std::size_t wait = text.find('?');
    if (wait == std::string_view::npos) return {data.size(), Verdict::Then::Continue};
    waiting_for_server = true;
    return {wait + 1, Verdict::Then::Wait};
  }
  Verdict from_server(Bytes data) override {
    waiting_for_server = false;
    return {data.size(), Verdict::Then::Continue};
  }
  bool holding = false;
  bool waiting_for_server = false;
};

struct Fixture {
  explicit Fixture(event::Loop& loop)
      : client_pair(test::make_socket_pair()),
        server_pair(test::make_socket_pair()),
        client(std::in_place, loop, std::move(client_pair.theirs)),
        server(loop, std::move(server_pair.theirs)),
        near(loop, std::move(client_pair.ours)),
        far(loop, std::move(server_pair.ours)),
        pump(near, far, tap, traffic) {}
  test::SocketPair client_pair;
  test::SocketPair server_pair;
  std::optional<test::ScriptedPeer> client;
  test::ScriptedPeer server;
  net::Stream near;
  net::Stream far;
  MarkTap tap;
  Traffic traffic;
  Pump pump;
};

event::Task<> keep_end(Pump& pump, std::optional<PumpEnd>& end) { end = co_await pump.run(); }

event::Task<> copies_both_ways(event::Loop& loop) {
  Fixture f{loop};
  event::TaskGroup group{loop};
  std::optional<PumpEnd> end;
  group.spawn(keep_end(f.pump, end));
  f.client->send("hello");
  const std::string up = co_await f.server.receive(5);
  CHECK(up == "hello");
  f.server.send("world!");
  const std::string down = co_await f.client->receive(6);
  CHECK(down == "world!");
  CHECK(f.traffic.from_client == 5);
  CHECK(f.traffic.from_server == 6);
  f.client->end();
  co_await event::Sleep(loop, Millis{1});
  REQUIRE(end.has_value());
  CHECK(*end == PumpEnd::ClientClosed);
}

event::Task<> stops_and_runs_again(event::Loop& loop) {
  Fixture f{loop};
  f.client->send("one!two");
  const PumpEnd first = co_await f.pump.run();
  CHECK(first == PumpEnd::Stopped);
  const std::string one = co_await f.server.receive(3);
  CHECK(one == "one");
  CHECK(as_text(f.near.input()) == "!two");
  f.near.consume(1);
  event::TaskGroup group{loop};
  std::optional<PumpEnd> end;
  group.spawn(keep_end(f.pump, end));
  const std::string two = co_await f.server.receive(3);
  CHECK(two == "two");
  f.pump.interrupt();
  REQUIRE(end.has_value());
  CHECK(*end == PumpEnd::Interrupted);
}

event::Task<> waits_for_the_other_side(event::Loop& loop) {
  Fixture f{loop};
  event::TaskGroup group{loop};
  std::optional<PumpEnd> end;
  group.spawn(keep_end(f.pump, end));
  f.client->send("ask?next");
  const std::string asked = co_await f.server.receive(4);
  CHECK(asked == "ask?");
  CHECK(as_text(f.near.input()) == "next");
  f.server.send("answer");
  const std::string next = co_await f.server.receive(4);
  CHECK(next == "next");
}

event::Task<> keeps_what_is_incomplete(event::Loop& loop) {
  Fixture f{loop};
  event::TaskGroup group{loop};
  std::optional<PumpEnd> end;
  group.spawn(keep_end(f.pump, end));
  f.client->send("<");
  co_await event::Sleep(loop, Millis{1});
  CHECK(f.traffic.from_client == 0);
  f.client->send("more");
  const std::string all = co_await f.server.receive(5);
  CHECK(all == "<more");
}

// What a client sends while it is held stays in the kernel, except for what was on its way.
event::Task<> holds_a_flood_back(event::Loop& loop) {
  constexpr std::size_t kSize = 16 << 20;
  Fixture f{loop};
  f.tap.holding = true;
  event::TaskGroup group{loop};
  std::optional<PumpEnd> end;
  group.spawn(keep_end(f.pump, end));
  const std::string flood(kSize, 'x');
  f.client->send(flood);
  co_await event::Sleep(loop, Millis{50});
  CHECK(f.near.input().size() > 0);
  CHECK(f.near.input().size() < kSize / 8);
  f.server.send("still there");
  const std::string down = co_await f.client->receive(11);
  CHECK(down == "still there");
  CHECK_FALSE(end.has_value());
  CHECK(f.traffic.from_client == 0);
}

event::Task<> lets_go_of_a_held_client_that_ends(event::Loop& loop) {
  Fixture f{loop};
  f.tap.holding = true;
  event::TaskGroup group{loop};
  std::optional<PumpEnd> end;
  group.spawn(keep_end(f.pump, end));
  f.client->send("held");
  co_await event::Sleep(loop, Millis{1});
  CHECK_FALSE(end.has_value());
  f.client->end();
  co_await event::Sleep(loop, Millis{1});
  REQUIRE(end.has_value());
  CHECK(*end == PumpEnd::ClientClosed);
}

// A client that reads nothing must not make the proxy hold the server's whole result.
event::Task<> bounds_memory(event::Loop& loop) {
  constexpr std::size_t kSize = 16 << 20;
  Fixture f{loop};
  event::TaskGroup group{loop};
  std::optional<PumpEnd> end;
  group.spawn(keep_end(f.pump, end));
  const std::string result(kSize, 'x');
  f.server.send(result);
  while (f.near.queued() <= net::Stream::kHighWater) co_await event::Sleep(loop, Millis{1});
  co_await event::Sleep(loop, Millis{20});  // nothing more must come, so there is no event
  CHECK(f.near.queued() <= net::Stream::kHighWater + event::Loop::kReadBuffer);
  std::size_t received = 0;
  while (received < kSize) {
    const std::string part = co_await f.client->receive(64 * 1024);
    received += part.size();
  }
  CHECK(received == kSize);
}

// What holds the client back must not hide that it broke off.
event::Task<> ends_when_a_waiting_client_breaks_off(event::Loop& loop) {
  Fixture f{loop};
  event::TaskGroup group{loop};
  std::optional<PumpEnd> end;
  group.spawn(keep_end(f.pump, end));
  f.client->send("ask?next");
  const std::string asked = co_await f.server.receive(4);
  CHECK(asked == "ask?");
  f.client.reset();
  f.server.send("answer");
  for (int turn = 0; turn < 100 && !end; ++turn) {
    co_await event::Sleep(loop, Millis{1});
  }
  REQUIRE(end.has_value());
  CHECK(*end == PumpEnd::ClientClosed);
}

event::Task<> forwards_the_last_words(event::Loop& loop) {
  Fixture f{loop};
  f.server.send("goodbye");
  f.server.end();
  const PumpEnd end = co_await f.pump.run();
  CHECK(end == PumpEnd::ServerClosed);
  const std::string words = co_await f.client->receive(7);
  CHECK(words == "goodbye");
}

}  // namespace

TEST_CASE("pump: copies both ways and counts", "[session]") {
  event::Loop loop;
  test::run_task(loop, copies_both_ways(loop));
}

TEST_CASE("pump: stops before what the tap keeps, and runs again behind it", "[session]") {
  event::Loop loop;
  test::run_task(loop, stops_and_runs_again(loop));
}

TEST_CASE("pump: holds one side back until the other has moved", "[session]") {
  event::Loop loop;
  test::run_task(loop, waits_for_the_other_side(loop));
}

TEST_CASE("pump: what a held client sends stays in the kernel", "[session]") {
  event::Loop loop;
  test::run_task(loop, holds_a_flood_back(loop));
}

TEST_CASE("pump: a held client that ends is gone", "[session]") {
  event::Loop loop;
  test::run_task(loop, lets_go_of_a_held_client_that_ends(loop));
}

TEST_CASE("pump: offers an incomplete start again with what follows", "[session]") {
  event::Loop loop;
  test::run_task(loop, keeps_what_is_incomplete(loop));
}

TEST_CASE("pump: back-pressure bounds what is queued", "[session]") {
  event::Loop loop;
  test::run_task(loop, bounds_memory(loop));
}

TEST_CASE("pump: a client that is held back and breaks off ends it", "[session]") {
  event::Loop loop;
  test::run_task(loop, ends_when_a_waiting_client_breaks_off(loop));
}

TEST_CASE("pump: what the server said before it closed reaches the client", "[session]") {
  event::Loop loop;
  test::run_task(loop, forwards_the_last_words(loop));
}

}  // namespace perilune::session
