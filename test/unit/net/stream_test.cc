#include "net/stream.hh"

#include <string>

#include "event/timer.hh"
#include "net/small_address.hh"
#include "support/catch.hh"
#include "support/run_task.hh"
#include "support/scripted_peer.hh"
#include "support/socket_pair.hh"

namespace perilune::net {

namespace {

struct Counter final : HangupListener {
  void on_hangup(int) override { ++hangups; }
  int hangups = 0;
};

event::Task<std::string> read_until_end(Stream& stream) {
  for (;;) {
    const bool grown = co_await stream.fill();
    if (!grown) break;
  }
  co_return std::string{as_text(stream.input())};
}

event::Task<> drains(Stream& stream) { co_await stream.flushed(); }

event::Task<> turn(event::Loop& loop) { co_await event::Sleep(loop, Millis{1}); }

}  // namespace

TEST_CASE("stream: keeps what is not consumed and tells the end", "[net]") {
  event::Loop loop;
  auto pair = test::make_socket_pair();
  test::ScriptedPeer peer{loop, std::move(pair.theirs)};
  Stream stream{loop, std::move(pair.ours)};
  peer.send("hello ");
  peer.send("world");
  peer.end();
  CHECK(test::run_task(loop, read_until_end(stream)) == "hello world");
  CHECK(stream.has_ended());
  stream.consume(6);
  CHECK(as_text(stream.input()) == "world");
}

TEST_CASE("stream: a hang-up while nobody reads is told once", "[net]") {
  event::Loop loop;
  auto pair = test::make_socket_pair();
  test::ScriptedPeer peer{loop, std::move(pair.theirs)};
  Stream stream{loop, std::move(pair.ours)};
  Counter counter;
  stream.set_hangup_listener(&counter);
  peer.send("x");
  test::run_task(loop, [](Stream& s) -> event::Task<> {
    const bool grown = co_await s.fill();
    CHECK(grown);
  }(stream));
  peer.end();
  for (int i = 0; i < 10 && counter.hangups == 0; ++i) test::run_task(loop, turn(loop));
  CHECK(counter.hangups == 1);
}

TEST_CASE("stream: what the kernel does not take is queued and flushed in order", "[net]") {
  event::Loop loop;
  auto pair = test::make_socket_pair();
  test::ScriptedPeer peer{loop, std::move(pair.theirs)};
  Stream stream{loop, std::move(pair.ours)};
  std::string sent;
  for (int i = 0; i < 40; ++i) sent += std::string(50000, static_cast<char>('a' + i % 26));
  stream.write(as_bytes(sent));
  CHECK(stream.queued() > 0);
  event::TaskGroup group{loop};
  group.spawn(drains(stream));
  CHECK(test::run_task(loop, peer.receive(sent.size())) == sent);
  CHECK(stream.queued() == 0);
}

TEST_CASE("stream: writing to a peer that is gone breaks it without an exception", "[net]") {
  event::Loop loop;
  auto pair = test::make_socket_pair();
  Stream stream{loop, std::move(pair.ours)};
  pair.theirs.reset();
  stream.write(as_bytes("x"));
  CHECK(stream.is_broken());
  stream.write(as_bytes("y"));
  CHECK(stream.queued() == 0);
}

TEST_CASE("small address: gives back what was put in", "[net]") {
  for (const char* text : {"127.0.0.1:3306", "[::1]:3306", "/run/x.sock", "@abstract"}) {
    const Address address = *parse_address(text, 1);
    const SmallAddress small{address};
    CHECK(small.expand() == address);
    CHECK(small.expand().text() == text);
    CHECK(small.is_unix() == address.is_unix());
  }
  CHECK_FALSE(static_cast<bool>(SmallAddress{}));
}

}  // namespace perilune::net
