#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <thread>

#include "support/catch.hh"
#include "told.hh"

namespace perilune::script {

using test::contains;
using test::Play;

namespace {

std::string unique_name() {
  static int count = 0;
  return "perilune-test-" + std::to_string(getpid()) + "-" + std::to_string(++count);
}

// A server at an abstract name, of any type, whose story runs on a thread of its own.
class Server {
 public:
  template <typename Story>
  Server(int type, Story story) : name_(unique_name()), type_(type) {
    socket_ = UniqueFd{socket(AF_UNIX, type | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name_.copy(address.sun_path + 1, sizeof address.sun_path - 1);
    const auto size = static_cast<socklen_t>(sizeof(sa_family_t) + 1 + name_.size());
    REQUIRE(bind(socket_.value(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    if (type != SOCK_DGRAM) REQUIRE(listen(socket_.value(), 1) == 0);
    thread_ = std::thread([this, story] { story(peer()); });
  }
  ~Server() { thread_.join(); }
  std::string address() const { return "'@" + name_ + "'"; }

 private:
  UniqueFd peer() const {
    pollfd ready{socket_.value(), POLLIN, 0};
    if (::poll(&ready, 1, 5000) != 1) return UniqueFd{};
    if (type_ == SOCK_DGRAM) return UniqueFd{dup(socket_.value())};
    return UniqueFd{accept4(socket_.value(), nullptr, nullptr, SOCK_CLOEXEC)};
  }

  std::string name_;
  int type_;
  UniqueFd socket_;
  std::thread thread_;
};

std::string receive_once(const UniqueFd& peer) {
  char buffer[1024];
  const ssize_t size = recv(peer.value(), buffer, sizeof buffer, 0);
  return {buffer, static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

void echo(UniqueFd peer) {
  for (;;) {
    const std::string text = receive_once(peer);
    if (text.empty()) return;
    send(peer.value(), text.data(), text.size(), MSG_NOSIGNAL);
  }
}

void wait_for_end(UniqueFd peer) {
  while (!receive_once(peer).empty()) {
  }
}

// Says something and leaves.
void greet(UniqueFd peer) { send(peer.value(), "hello", 5, MSG_NOSIGNAL); }

}  // namespace

TEST_CASE("script socket: streams and packets, there and back", "[script]") {
  for (const char* type : {"stream", "seqpacket"}) {
    const bool is_stream = std::string_view(type) == "stream";
    Server server{is_stream ? SOCK_STREAM : SOCK_SEQPACKET, echo};
    CHECK(test::told("local s = assert(socket:connect(" + server.address() + ", {type = '" + type +
                     "'})) assert(s:send('hello') == 5) local text = s:receive() s:close() "
                     "return text .. tostring(s:receive()) .. select(2, s:send('x'))") ==
          "hellonilclosed");
  }
}

TEST_CASE("script socket: datagrams", "[script]") {
  std::string got;
  {
    Server server{SOCK_DGRAM, [&got](const UniqueFd& peer) { got = receive_once(peer); }};
    CHECK(test::told("local s = assert(socket:connect(" + server.address() +
                     ", {type = 'dgram'})) return s:send('hello')") == "5");
  }
  CHECK(got == "hello");
}

TEST_CASE("script socket: the end of a stream, and pieces", "[script]") {
  Server server{SOCK_STREAM, greet};
  CHECK(test::told("local s = assert(socket:connect(" + server.address() +
                   ")) "
                   "return s:receive(2) .. '.' .. s:receive(9) .. '.' .. select(2, s:receive())") ==
        "he.llo.closed");
}

TEST_CASE("script socket: the positions of send", "[script]") {
  std::string got;
  {
    Server server{SOCK_SEQPACKET, [&got](const UniqueFd& peer) {
                    for (std::string part = "."; !part.empty();) {
                      part = receive_once(peer);
                      got += part + "|";
                    }
                  }};
    CHECK(test::told("local s = assert(socket:connect(" + server.address() +
                     ", {type = 'seqpacket'})) "
                     "s:send('12345', 2) s:send('12345', 2, 4) s:send('12345', -2, -2) "
                     "assert(s:send('12345', 6) == 0 and s:send('', 1, 0) == 0) "
                     "s:send('12345', nil, 1) "
                     "for _, at in ipairs{{7}, {0}, {-6}, {1, 6}, {1, -7}, {1.5}} do "
                     "local ok, why = pcall(s.send, s, '12345', at[1], at[2]) "
                     "assert(not ok and why:find('Bad string position'), at[1]) end "
                     "return 'well'") == "well");
  }
  CHECK(got == "2345|234|34|1||");
}

TEST_CASE("script socket: what the kernel does not take at once is waited for", "[script]") {
  std::size_t got = 0;
  {
    Server server{SOCK_STREAM, [&got](const UniqueFd& peer) {
                    for (std::string part = "."; !part.empty(); got += part.size()) {
                      part = receive_once(peer);
                    }
                  }};
    CHECK(test::told("local s = assert(socket:connect(" + server.address() +
                     ")) local n = s:send(('x'):rep(5000000)) s:close() return n") == "5000000");
  }
  CHECK(got == 5000000);
}

TEST_CASE("script socket: deadlines", "[script]") {
  Server server{SOCK_STREAM, wait_for_end};
  CHECK(test::told("local s = assert(socket:connect(" + server.address() +
                   ", {timeout = 0.02})) local _, why = s:receive() s:close() return why") ==
        "timed out");
}

TEST_CASE("script socket: closed while another coroutine waits", "[script]") {
  Server server{SOCK_STREAM, wait_for_end};
  Play play{
      "local s mysql_listen('*:1', {on_login = function(client) "
      "s = assert(socket:connect(" +
      server.address() +
      ")) "
      "return client:err(tostring(select(2, s:receive()))) end, "
      "on_query = function(client) assert(not pcall(s.receive, s)) s:close() end})"};
  auto login = play.hooks().on_login(Play::anna(), play.challenger());
  auto& stage = play.stage();
  session::Decision decision;
  event::TaskGroup group{stage.loop()};
  struct Keep {
    static event::Task<> it(event::Task<session::Decision> task, session::Decision& decision,
                            bool& done) {
      decision = co_await std::move(task);
      done = true;
    }
  };
  bool done = false;
  group.spawn(Keep::it(std::move(login), decision, done));
  int turns = 0;
  test::turn_until(stage, [&turns] { return ++turns == 20; });
  CHECK_FALSE(done);
  play.query("select 1");
  CHECK(test::turn_until(stage, [&done] { return done; }));
  CHECK(Play::say(decision) == "closed");
}

TEST_CASE("script socket: closed at the session's end", "[script]") {
  bool ended = false;
  {
    Server server{SOCK_STREAM, [&ended](const UniqueFd& peer) {
                    ended = receive_once(peer) == "hello" && receive_once(peer).empty();
                  }};
    Play play{"mysql_listen('*:1', {on_login = function(client) kept = assert(socket:connect(" +
              server.address() + ")) kept:send('hello') return client:err('made') end})"};
    CHECK(Play::say(play.log_in()) == "made");
    play.end_session();
  }
  CHECK(ended);
}

TEST_CASE("script socket: those of the main chunk stay", "[script]") {
  Server server{SOCK_STREAM, echo};
  Play play{"local s = assert(socket:connect(" + server.address() +
            ")) mysql_listen('*:1', "
            "{on_login = function(client) s:send('hello') return client:err(s:receive()) end})"};
  CHECK(Play::say(play.log_in()) == "hello");
  CHECK(Play::say(play.log_in()) == "hello");
}

TEST_CASE("script socket: what cannot be reached is nil and why", "[script]") {
  CHECK(test::told("return select(2, socket:connect('@perilune-nobody'))") == "Connection refused");
  CHECK(test::told("return select(2, socket:connect('/nowhere/x.sock'))") ==
        "No such file or directory");
  CHECK(test::told("return select(2, socket:connect('127.0.0.1:1'))") == "Connection refused");
  CHECK(contains(test::told("return select(2, socket:connect('127.0.0.1:1', "
                            "{type = 'seqpacket'}))"),
                 "not supported"));
  CHECK(contains(test::told("return select(2, socket:connect('nobody.invalid:1'))"),
                 "cannot resolve nobody.invalid"));
}

TEST_CASE("script socket: mistakes", "[script]") {
  CHECK(contains(test::caught("socket:connect('127.0.0.1')"), "bad argument #1 to 'connect'"));
  CHECK(contains(test::caught("socket:connect()"), "string expected, got no value"));
  CHECK(test::caught("socket:connect('@x', {type = 'raw'})")
            .ends_with("Unsupported socket type 'raw'"));
  CHECK(contains(test::caught("socket:connect('@x', {typ = 'raw'})"), "did you mean 'type'?"));
  CHECK(contains(test::caught("socket.connect('@x')"), "bad argument #1 to 'connect'"));
  CHECK(contains(test::caught("table.sort({1, 2}, function() socket:connect('@x') end)"),
                 "connect cannot wait inside table.sort"));
}

}  // namespace perilune::script
