#include "proto/raw/fanout.hh"

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "event/timer.hh"
#include "support/catch.hh"
#include "support/listening.hh"
#include "support/lone_session.hh"
#include "support/run_task.hh"
#include "support/socket_pair.hh"

namespace perilune::proto::raw {

namespace {

using OnFailure = session::FanOut::OnFailure;
using PeerPtr = std::unique_ptr<test::ScriptedPeer>;

constexpr std::size_t kMuch = 32 << 20;  // more than the kernel holds for two sockets

// A source, and the targets of its fan-out.
class Stage {
 public:
  explicit Stage(event::Loop& the_loop, std::size_t targets = 2)
      : loop(the_loop),
        session(loop),
        pair_(test::make_tcp_pair()),
        source(loop, std::move(pair_.theirs)),
        client_(std::in_place, loop, std::move(pair_.ours)),
        tasks_(loop) {
    for (std::size_t i = 0; i < targets; ++i) {
      listening.push_back(std::make_unique<test::Listening>(loop));
      wish.targets.emplace_back(listening.back()->address());
    }
  }

  // Connects and accepts all that listen.
  event::Task<> open() {
    fanout_ = std::make_unique<Fanout>(*session, *client_, std::move(wish));
    tasks_.spawn(run());
    for (const auto& place : listening) {
      PeerPtr peer = co_await place->accept();
      peers.push_back(std::move(peer));
    }
  }
  // Until the fan-out is over; why, empty for a good end.
  event::Task<std::string> end() {
    while (!end_) {
      co_await event::Sleep(loop, Millis{1});
    }
    co_return *end_;
  }
  bool has_ended() const { return end_.has_value(); }
  const net::Stream& client() const { return *client_; }
  test::ScriptedPeer& peer(std::size_t index) { return *peers.at(index); }
  std::uint64_t lost() { return session.metrics().fanout_bytes_lost.read(); }
  std::uint64_t failed() { return session.metrics().fanout_targets_failed.read(); }

  event::Loop& loop;
  test::LoneSession session;

 private:
  event::Task<> run() {
    std::string why;
    try {
      co_await fanout_->connect();
      co_await fanout_->run();
    } catch (const std::exception& error) {
      why = error.what();
    }
    unread = client_->input().size();
    fanout_.reset();
    client_.reset();
    end_ = why;
  }

  test::SocketPair pair_;

 public:
  test::ScriptedPeer source;
  session::FanOut wish;
  std::vector<std::unique_ptr<test::Listening>> listening;
  std::vector<PeerPtr> peers;
  std::size_t unread = 0;  // what the fan-out left in the client's stream

 private:
  std::optional<net::Stream> client_;
  std::unique_ptr<Fanout> fanout_;
  std::optional<std::string> end_;
  event::TaskGroup tasks_;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Read as it comes, without keeping it.
event::Task<std::size_t> swallow(test::ScriptedPeer& peer) {
  std::size_t size = 0;
  bool more = true;
  while (more) {
    size += peer.stream().input().size();
    peer.stream().consume(peer.stream().input().size());
    more = co_await peer.stream().fill();
  }
  co_return size;
}

event::Task<> until_held_back(Stage& stage) {
  while (!stage.client().is_paused()) {
    co_await event::Sleep(stage.loop, Millis{1});
  }
}

event::Task<> gives_everybody_everything(event::Loop& loop) {
  Stage stage{loop, 3};
  co_await stage.open();
  stage.source.send("one ");
  const std::string first = co_await stage.peer(2).receive(4);
  CHECK(first == "one ");
  stage.peer(1).send("who reads this?");
  stage.source.send("two");
  stage.source.end();
  const std::string rest = co_await stage.peer(2).receive_all();
  CHECK(rest == "two");
  for (const std::size_t i : {0U, 1U}) {
    const std::string all = co_await stage.peer(i).receive_all();
    CHECK(all == "one two");
  }
  CHECK_FALSE(stage.has_ended());
  for (const PeerPtr& peer : stage.peers) peer->end();
  const std::string why = co_await stage.end();
  CHECK(why.empty());
  const std::string answers = co_await stage.source.receive_all();
  CHECK(answers.empty());
  CHECK(stage.source.stream().end_code() == 0);
  CHECK(stage.lost() == 0);
  CHECK(stage.failed() == 0);
  CHECK(stage.session->traffic.from_client == 7);
}

event::Task<> waits_for_the_slowest(event::Loop& loop) {
  Stage stage{loop};
  co_await stage.open();
  event::TaskGroup tasks{loop};
  std::optional<std::size_t> quick;
  tasks.spawn(test::detail::keep(swallow(stage.peer(0)), quick));
  stage.source.send(std::string(kMuch, 'x'));
  stage.source.end();
  co_await until_held_back(stage);
  co_await event::Sleep(loop, Millis{20});  // nothing more must come, so there is no event
  CHECK(stage.client().is_paused());
  CHECK(stage.session->traffic.from_client < kMuch);
  CHECK(stage.source.stream().queued() > 0);
  const std::size_t slow = co_await swallow(stage.peer(1));
  CHECK(slow == kMuch);
  while (!quick) {
    co_await event::Sleep(loop, Millis{1});
  }
  CHECK(*quick == kMuch);
  for (const PeerPtr& peer : stage.peers) peer->end();
  const std::string why = co_await stage.end();
  CHECK(why.empty());
}

event::Task<> closes_all(event::Loop& loop, bool by_reset) {
  Stage stage{loop};
  co_await stage.open();
  stage.source.send("one");
  for (const PeerPtr& peer : stage.peers) {
    const std::string one = co_await peer->receive(3);
    CHECK(one == "one");
  }
  by_reset ? stage.peer(0).stream().reset() : stage.peer(0).end();
  const std::string why = co_await stage.end();
  CHECK(contains(why, "target 127.0.0.1:"));
  CHECK(contains(why, by_reset ? "connection reset" : "it closed the connection"));
  const std::string rest = co_await stage.peer(1).receive_all();
  CHECK(rest.empty());
  CHECK(stage.peer(1).stream().end_code() == 0);
  const std::string answers = co_await stage.source.receive_all();
  CHECK(stage.source.stream().end_code() < 0);
  CHECK(stage.failed() == 1);
  CHECK(stage.lost() == 0);
}

// A target that half-closes still gets what the kernel has accepted; the rest is counted.
event::Task<> counts_what_is_lost(event::Loop& loop) {
  Stage stage{loop, 1};
  co_await stage.open();
  stage.source.send(std::string(kMuch, 'x'));
  co_await until_held_back(stage);
  stage.peer(0).end();
  const std::string why = co_await stage.end();
  CHECK(contains(why, "it closed the connection"));
  const std::size_t received = co_await swallow(stage.peer(0));
  CHECK(stage.lost() > net::Stream::kHighWater / 2);
  CHECK(received + stage.lost() == stage.session->traffic.from_client + stage.unread);
}

event::Task<> goes_on_with_the_others(event::Loop& loop) {
  Stage stage{loop};
  stage.wish.on_failure = OnFailure::Continue;
  co_await stage.open();
  stage.source.send("one");
  const std::string one = co_await stage.peer(0).receive(3);
  CHECK(one == "one");
  stage.peer(0).stream().reset();
  while (stage.failed() == 0) {
    co_await event::Sleep(loop, Millis{1});
  }
  stage.source.send("two");
  const std::string both = co_await stage.peer(1).receive(6);
  CHECK(both == "onetwo");
  CHECK_FALSE(stage.has_ended());
  stage.peer(1).end();
  const std::string why = co_await stage.end();
  CHECK(contains(why, "target 127.0.0.1:"));
  CHECK(stage.failed() == 2);
}

// The slow one was what the source waited for.
event::Task<> a_failure_frees_the_source(event::Loop& loop) {
  Stage stage{loop};
  stage.wish.on_failure = OnFailure::Continue;
  co_await stage.open();
  stage.source.send(std::string(kMuch, 'x'));
  stage.source.end();
  event::TaskGroup tasks{loop};
  std::optional<std::size_t> quick;
  tasks.spawn(test::detail::keep(swallow(stage.peer(0)), quick));
  co_await until_held_back(stage);
  stage.peer(1).stream().reset();
  while (!quick) {
    co_await event::Sleep(loop, Millis{1});
  }
  CHECK(*quick == kMuch);
  CHECK(stage.lost() > 0);
  stage.peer(0).end();
  const std::string why = co_await stage.end();
  CHECK(why.empty());
}

event::Task<> minds_who_cannot_be_reached(event::Loop& loop, OnFailure on_failure) {
  Stage stage{loop};
  stage.wish.on_failure = on_failure;
  stage.listening[0]->close();
  stage.listening.erase(stage.listening.begin());
  stage.source.send("hello");
  co_await stage.open();
  if (on_failure == OnFailure::Continue) {
    const std::string hello = co_await stage.peer(0).receive(5);
    CHECK(hello == "hello");
    stage.peer(0).end();
  } else {
    const std::string answers = co_await stage.source.receive_all();
    CHECK(stage.source.stream().end_code() < 0);
  }
  const std::string why = co_await stage.end();
  CHECK(contains(why, "cannot connect to 127.0.0.1:"));
  const std::string rest = co_await stage.peer(0).receive_all();
  CHECK(rest.empty());
}

event::Task<> sends_one_back(event::Loop& loop) {
  Stage stage{loop};
  stage.wish.reply_from = 1;
  co_await stage.open();
  stage.peer(0).send("not this");
  stage.peer(1).send(std::string(kMuch, 'y'));
  co_await event::Sleep(loop, Millis{20});  // what the source does not read must be held back
  CHECK(stage.client().queued() <= net::Stream::kHighWater + event::Loop::kReadBuffer);
  stage.source.end();
  for (const PeerPtr& peer : stage.peers) peer->end();
  const std::size_t answers = co_await swallow(stage.source);
  CHECK(answers == kMuch);
  const std::string why = co_await stage.end();
  CHECK(why.empty());
  CHECK(stage.session->traffic.from_server == kMuch);
}

event::Task<> passes_a_reset_on(event::Loop& loop) {
  Stage stage{loop};
  co_await stage.open();
  stage.source.send("one");
  for (const PeerPtr& peer : stage.peers) {
    const std::string one = co_await peer->receive(3);
    CHECK(one == "one");
  }
  stage.source.stream().reset();
  const std::string why = co_await stage.end();
  CHECK(why == "reset the connection");
  for (const PeerPtr& peer : stage.peers) {
    const std::string rest = co_await peer->receive_all();
    CHECK(peer->stream().end_code() < 0);
  }
  CHECK(stage.failed() == 0);
}

// One that fails behind the source's end takes nobody along, but the source learns of it.
event::Task<> delivers_the_rest_after_the_end(event::Loop& loop) {
  Stage stage{loop};
  co_await stage.open();
  stage.source.send("all of it");
  stage.source.end();
  const std::string first = co_await stage.peer(0).receive_all();
  CHECK(first == "all of it");
  stage.peer(0).stream().reset();
  while (stage.failed() == 0) {
    co_await event::Sleep(loop, Millis{1});
  }
  CHECK_FALSE(stage.has_ended());
  const std::string second = co_await stage.peer(1).receive_all();
  CHECK(second == "all of it");
  stage.peer(1).end();
  const std::string why = co_await stage.end();
  CHECK(contains(why, "connection reset"));
}

}  // namespace

TEST_CASE("fan-out: every target gets everything, and the end", "[proto][raw]") {
  event::Loop loop;
  test::run_task(loop, gives_everybody_everything(loop));
}

TEST_CASE("fan-out: the slowest target holds the source back", "[proto][raw]") {
  event::Loop loop;
  test::run_task(loop, waits_for_the_slowest(loop));
}

TEST_CASE("fan-out: with a target all are closed", "[proto][raw]") {
  const bool by_reset = GENERATE(false, true);
  event::Loop loop;
  test::run_task(loop, closes_all(loop, by_reset));
}

TEST_CASE("fan-out: what a target's kernel has not accepted is counted", "[proto][raw]") {
  event::Loop loop;
  test::run_task(loop, counts_what_is_lost(loop));
}

TEST_CASE("fan-out: others go on without one that failed, until none is left", "[proto][raw]") {
  event::Loop loop;
  test::run_task(loop, goes_on_with_the_others(loop));
}

TEST_CASE("fan-out: a slow target that fails holds nobody back", "[proto][raw]") {
  event::Loop loop;
  test::run_task(loop, a_failure_frees_the_source(loop));
}

TEST_CASE("fan-out: a target that cannot be reached has failed", "[proto][raw]") {
  const OnFailure on_failure = GENERATE(OnFailure::Close, OnFailure::Continue);
  event::Loop loop;
  test::run_task(loop, minds_who_cannot_be_reached(loop, on_failure));
}

TEST_CASE("fan-out: one target's bytes go back, as fast as the source reads", "[proto][raw]") {
  event::Loop loop;
  test::run_task(loop, sends_one_back(loop));
}

TEST_CASE("fan-out: the source's reset resets the targets", "[proto][raw]") {
  event::Loop loop;
  test::run_task(loop, passes_a_reset_on(loop));
}

TEST_CASE("fan-out: behind the source's end a failure is one target's own", "[proto][raw]") {
  event::Loop loop;
  test::run_task(loop, delivers_the_rest_after_the_end(loop));
}

}  // namespace perilune::proto::raw
