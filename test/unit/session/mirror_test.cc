#include "session/mirror.hh"

#include <memory>
#include <string>
#include <vector>

#include "event/timer.hh"
#include "support/catch.hh"
#include "support/listening.hh"
#include "support/lone_session.hh"
#include "support/run_task.hh"

namespace perilune::session {

namespace {

const std::string kChunk(64 * 1024, 'x');

// An address of a unix socket that lets everybody wait: its backlog is full.
class FullBacklog {
 public:
  FullBacklog() {
    const auto address = this->address();
    const bool listens = ::bind(socket_.value(), address.data(), address.size()) == 0 &&
                         ::listen(socket_.value(), 0) == 0;
    REQUIRE(listens);
    waiting_ = UniqueFd{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    REQUIRE(::connect(waiting_.value(), address.data(), address.size()) == 0);
  }
  net::Address address() const {
    return net::Address::unix_name(std::string(1, '\0') + "mirror-test-" +
                                   std::to_string(::getpid()));
  }

 private:
  UniqueFd socket_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  UniqueFd waiting_;
};

std::vector<Target> only(const net::Address& address) { return {Target{address}}; }

event::Task<> until(event::Loop& loop, const stats::Cell& cell) {
  while (cell.read() == 0) {
    co_await event::Sleep(loop, Millis{1});
  }
}

// Gives chunks until the target is given up; how many bytes.
event::Task<std::size_t> flood(event::Loop& loop, test::LoneSession& session, Mirror& mirror) {
  std::size_t given = 0;
  while (session.metrics().mirrors_failed.read() == 0) {
    mirror.copy(as_bytes(kChunk));
    given += kChunk.size();
    co_await event::Sleep(loop, Millis{0});
  }
  co_return given;
}

event::Task<> copies(event::Loop& loop) {
  test::LoneSession session{loop};
  test::Listening near{loop};
  test::Listening far{loop};
  auto mirror =
      std::make_unique<Mirror>(*session, std::vector<Target>{near.address(), far.address()});
  mirror->copy(as_bytes("before "));
  const auto one = co_await near.accept();
  const auto two = co_await far.accept();
  const std::string early = co_await one->receive(7);
  CHECK(early == "before ");
  mirror->copy(as_bytes("behind"));
  const std::string late = co_await one->receive(6);
  CHECK(late == "behind");
  mirror.reset();
  const std::string rest = co_await one->receive_all();
  CHECK(rest.empty());
  CHECK(one->stream().end_code() == 0);
  const std::string all = co_await two->receive_all();
  CHECK(all == "before behind");
  CHECK(session.metrics().mirrors_failed.read() == 0);
}

event::Task<> delivers_after_the_end(event::Loop& loop) {
  test::LoneSession session{loop};
  test::Listening target{loop};
  auto mirror = make_mirror(*session, only(target.address()));
  mirror->copy(as_bytes("last words"));
  mirror.reset();
  const auto peer = co_await target.accept();
  const std::string words = co_await peer->receive_all();
  CHECK(words == "last words");
  while (session.left_behind() > 0) {
    co_await event::Sleep(loop, Millis{1});
  }
  CHECK(session.metrics().mirror_bytes_dropped.read() == 0);
}

// What it was given it has, or it is counted.
event::Task<> gives_up_who_is_slow(event::Loop& loop) {
  test::LoneSession session{loop};
  test::Listening target{loop};
  auto mirror = make_mirror(*session, only(target.address()));
  const auto peer = co_await target.accept();
  std::size_t given = co_await flood(loop, session, *mirror);
  mirror->copy(as_bytes("more"));
  given += 4;
  const std::string received = co_await peer->receive_all();
  const std::uint64_t dropped = session.metrics().mirror_bytes_dropped.read();
  CHECK(dropped > Mirror::kMaxWaiting);
  CHECK(dropped < Mirror::kMaxWaiting + 4 * kChunk.size());
  CHECK(received.size() + dropped == given);
  CHECK(session.metrics().mirrors_failed.read() == 1);
}

event::Task<> bounds_what_comes_early(event::Loop& loop) {
  test::LoneSession session{loop};
  const FullBacklog target;
  auto mirror = make_mirror(*session, only(target.address()));
  const std::size_t given = co_await flood(loop, session, *mirror);
  CHECK(given > Mirror::kMaxWaiting);
  CHECK(given <= Mirror::kMaxWaiting + 2 * kChunk.size());
  CHECK(session.metrics().mirror_bytes_dropped.read() == given);
}

// One statement may be longer than the bound.
event::Task<> takes_a_long_piece(event::Loop& loop) {
  const std::string piece(4 * Mirror::kMaxWaiting, 'l');
  test::LoneSession session{loop};
  test::Listening target{loop};
  auto mirror = make_mirror(*session, only(target.address()));
  const auto peer = co_await target.accept();
  mirror->copy(as_bytes(piece));
  const std::string received = co_await peer->receive(piece.size());
  CHECK(received == piece);
  CHECK(session.metrics().mirrors_failed.read() == 0);
}

event::Task<> gives_up_who_refuses(event::Loop& loop) {
  test::LoneSession session{loop};
  test::Listening target{loop};
  const net::Address address = target.address();
  target.close();
  auto mirror = make_mirror(*session, only(address));
  mirror->copy(as_bytes("nobody"));
  co_await until(loop, session.metrics().mirrors_failed);
  CHECK(session.metrics().mirror_bytes_dropped.read() == 6);
  mirror->copy(as_bytes("hears"));
  CHECK(session.metrics().mirror_bytes_dropped.read() == 11);
}

event::Task<> gives_up_who_breaks_off(event::Loop& loop) {
  test::LoneSession session{loop};
  test::Listening target{loop};
  auto mirror = make_mirror(*session, only(target.address()));
  const auto peer = co_await target.accept();
  mirror->copy(as_bytes("one"));
  const std::string one = co_await peer->receive(3);
  CHECK(one == "one");
  peer->stream().reset();
  co_await until(loop, session.metrics().mirrors_failed);
  CHECK(session.metrics().mirror_bytes_dropped.read() == 0);
}

event::Task<> throws_answers_away(event::Loop& loop) {
  const std::string answers(8 << 20, 'a');
  test::LoneSession session{loop};
  test::Listening target{loop};
  auto mirror = make_mirror(*session, only(target.address()));
  const auto peer = co_await target.accept();
  peer->send(answers);
  co_await peer->stream().flushed();
  CHECK_FALSE(peer->stream().is_broken());
  peer->end();  // who only listens may say so
  co_await event::Sleep(loop, Millis{5});
  mirror->copy(as_bytes("still there"));
  const std::string copy = co_await peer->receive(11);
  CHECK(copy == "still there");
}

}  // namespace

TEST_CASE("mirror: every target gets what comes before and behind its connection", "[session]") {
  event::Loop loop;
  test::run_task(loop, copies(loop));
}

TEST_CASE("mirror: what waits is delivered when the session has ended", "[session]") {
  event::Loop loop;
  test::run_task(loop, delivers_after_the_end(loop));
}

TEST_CASE("mirror: who reads too slowly is given up, what is missing counted", "[session]") {
  event::Loop loop;
  test::run_task(loop, gives_up_who_is_slow(loop));
}

TEST_CASE("mirror: what waits for a connection is bounded", "[session]") {
  event::Loop loop;
  test::run_task(loop, bounds_what_comes_early(loop));
}

TEST_CASE("mirror: a single long piece is no reason to give up", "[session]") {
  event::Loop loop;
  test::run_task(loop, takes_a_long_piece(loop));
}

TEST_CASE("mirror: who refuses gets nothing, which is counted", "[session]") {
  event::Loop loop;
  test::run_task(loop, gives_up_who_refuses(loop));
}

TEST_CASE("mirror: who breaks off is given up", "[session]") {
  event::Loop loop;
  test::run_task(loop, gives_up_who_breaks_off(loop));
}

TEST_CASE("mirror: answers are read and thrown away", "[session]") {
  event::Loop loop;
  test::run_task(loop, throws_answers_away(loop));
}

TEST_CASE("mirror: there is none without targets", "[session]") {
  event::Loop loop;
  test::LoneSession session{loop};
  CHECK(make_mirror(*session, {}) == nullptr);
}

}  // namespace perilune::session
