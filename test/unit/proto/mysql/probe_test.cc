#include "proto/mysql/probe.hh"

#include <memory>
#include <string>
#include <utility>

#include "unit/proto/mysql/login_fixture.hh"

namespace perilune::proto::mysql {

namespace {

constexpr Millis kShort{100};

// Why a probe fails; empty: it does not.
std::string failure_of(event::Loop& loop, event::TaskGroup& background, net::Endpoint server) {
  try {
    auto probing = probe(loop, background, std::move(server), kShort);
    test::run_task(loop, std::move(probing));
  } catch (const std::exception& e) {
    return e.what();
  }
  return {};
}

// Says one thing to whom connects, and waits for the end.
class Speaker {
 public:
  Speaker(event::Loop& loop, Buffer text)
      : loop_(loop),
        text_(std::move(text)),
        tasks_(loop),
        socket_(net::ListenSocket::bind(any_port(), 16, {})),
        acceptor_(
            loop, socket_,
            [this](UniqueFd fd, net::Address) {
              tasks_.spawn(serve(std::make_unique<net::Stream>(loop_, std::move(fd))));
            },
            [](int) {}) {}

  const net::Address& address() const { return socket_->address(); }
  int ended = 0;
  std::size_t heard = 0;

 private:
  event::Task<> serve(std::unique_ptr<net::Stream> stream) {
    Channel channel{*stream, "proxy"};
    channel.send(text_);
    bool more = true;
    while (more) {
      more = co_await stream->fill();
    }
    heard += stream->input().size();
    ++ended;
  }

  event::Loop& loop_;
  Buffer text_;
  event::TaskGroup tasks_;
  std::shared_ptr<net::ListenSocket> socket_;
  net::Acceptor acceptor_;
};

}  // namespace

TEST_CASE("mysql probe: tells what a server says, and answers it", "[proto][mysql]") {
  event::Loop loop;
  event::TaskGroup background{loop};
  ScriptedServer server{loop, kModern};
  auto probing = probe(loop, background, server.address(), kShort);
  const session::Likeness likeness = test::run_task(loop, std::move(probing));
  CHECK(likeness.server_version == "10.11.0-scripted");
  CHECK((likeness.capabilities & 0xFFFFFFFFU) == kModern);
  run_until(loop, [&] { return background.size() == 0; });
  CHECK(server.answered == 1);
  CHECK(server.unanswered == 0);
}

TEST_CASE("mysql probe: looks a host's name up", "[proto][mysql]") {
  event::Loop loop;
  event::TaskGroup background{loop};
  ScriptedServer server{loop, kModern};
  const net::HostName name{"localhost", server.address().port()};
  auto probing = probe(loop, background, name, Millis{2000});
  const session::Likeness likeness = test::run_task(loop, std::move(probing));
  CHECK(likeness.server_version == "10.11.0-scripted");
  run_until(loop, [&] { return background.size() == 0; });
  CHECK(server.answered == 1);
}

TEST_CASE("mysql probe: a server that says nothing is not waited for", "[proto][mysql]") {
  event::Loop loop;
  event::TaskGroup background{loop};
  ScriptedServer server{loop, kModern};
  server.is_silent = true;
  CHECK(failure_of(loop, background, server.address()) == "timed out");
  CHECK(background.size() == 1);
}

TEST_CASE("mysql probe: nobody there, an error, and no greeting at all", "[proto][mysql]") {
  event::Loop loop;
  event::TaskGroup background{loop};
  const net::Address free = net::ListenSocket::bind(any_port(), 1, {})->address();
  CHECK(failure_of(loop, background, free).find("refused") != std::string::npos);
  Speaker refuses{loop, refusal()};
  CHECK(failure_of(loop, background, refuses.address()).find("denied") != std::string::npos);
  Speaker babbles{loop, Buffer(40, std::byte{'x'})};
  CHECK(failure_of(loop, background, babbles.address()).starts_with("malformed greeting"));
  run_until(loop, [&] { return refuses.ended == 1 && babbles.ended == 1; });
  CHECK(refuses.heard + babbles.heard == 0);
  CHECK(background.size() == 0);
}

}  // namespace perilune::proto::mysql
