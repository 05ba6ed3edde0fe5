#include "session/proxy_header.hh"

#include <memory>
#include <string>
#include <utility>

#include "log/output.hh"
#include "session/run.hh"
#include "support/catch.hh"
#include "support/fake_hooks.hh"
#include "support/run_task.hh"
#include "support/scripted_peer.hh"
#include "support/socket_pair.hh"

namespace perilune::session {

namespace {

constexpr std::string_view kLine = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 3306\r\n";
constexpr std::string_view kUnknown = "PROXY UNKNOWN\r\n";

// What the protocol's part of a session gets to see.
class Witness final : public Driver {
 public:
  event::Task<> serve(Session& session, net::Stream& client) const override {
    ++served;
    name = session.name();
    peer = session.peer().text();
    local = session.local_address()->text();
    is_local = session.is_local();
    is_vouched_for = session.is_vouched_for();
    left = session.handshake_limit();
    sent_v1 = as_text(make_proxy_header(session, SendProxy::V1));
    sent_v2 = as_text(make_proxy_header(session, SendProxy::V2));
    sent_none = as_text(make_proxy_header(session, SendProxy::No));
    while (!client.has_ended()) {
      co_await client.fill();
    }
    rest = as_text(client.input());
  }

  mutable int served = 0;
  mutable std::string name, peer, local, rest, sent_v1, sent_v2, sent_none;
  mutable bool is_local = false;
  mutable bool is_vouched_for = false;
  mutable Millis left{};
};

class Leaving final : public test::LoginHooks {
 public:
  explicit Leaving(int& left) : left_(left) {}
  event::Task<Decision> on_login(Login, Challenger&) override { co_return Proceed{}; }
  event::Task<> on_disconnect() override {
    ++left_;
    co_return;
  }
  bool has_on_disconnect() const noexcept override { return true; }

 private:
  int& left_;
};

net::Address address(std::string_view text) { return *net::parse_address(text, 1); }

ProxyPeers from(std::string_view network) {
  ProxyPeers peers;
  peers.networks = {*net::parse_network(network)};
  return peers;
}

ProxyPeers from_unix() {
  ProxyPeers peers;
  peers.local = true;
  return peers;
}

// One session of a listener, up to its end.
struct Play {
  explicit Play(ProxyPeers peers, const net::Address& peer = address("127.0.0.1:5")) {
    auto made = std::make_shared<Listener>();
    made->open = std::make_shared<std::atomic<std::uint64_t>>(0);
    made->declaration.options.proxy_peers = std::move(peers);
    made->declaration.options.handshake_timeout = Millis{400};
    auto pair = test::make_socket_pair();
    const int fd = pair.ours.value();
    client = std::make_unique<test::ScriptedPeer>(loop, std::move(pair.theirs));
    auto stream = std::make_unique<net::Stream>(loop, std::move(pair.ours));
    auto session =
        std::make_unique<Session>(services, std::move(made), 1, fd, net::SmallAddress{peer});
    session->set_hooks(std::make_unique<Leaving>(farewells));
    open = session.get();
    sessions.enter(*session);
    tasks.spawn(run(std::move(session), std::move(stream), witness));
  }

  // Everything at once, then the end.
  Play& say(std::string_view text) {
    client->send(text);
    client->end();
    return finish();
  }
  Play& finish() {
    test::run_task(loop, wait(*client));
    return *this;
  }
  static event::Task<> wait(test::ScriptedPeer& client) {
    const std::string nothing = co_await client.receive_all();
    CHECK(nothing.empty());
  }
  std::uint64_t bad() { return registry.worker(0).proxy_headers_bad.read(); }
  std::uint64_t aborted() { return registry.worker(0).handshakes_aborted.read(); }

  event::Loop loop;
  log::Output output{-1, log::LineFormat::Timed, log::Level::Error};
  log::Logger logger{output};
  stats::Registry registry{1};
  event::TaskGroup background{loop};
  Services services{loop, background, logger, registry.worker(0)};
  Session* open = nullptr;
  SessionList sessions{[this] { open = nullptr; }};
  Witness witness;
  int farewells = 0;
  std::unique_ptr<test::ScriptedPeer> client;
  event::TaskGroup tasks{loop};
};

void check_bad(std::string_view text) {
  CAPTURE(text);
  Play play{from("127.0.0.0/8")};
  play.say(text);
  CHECK(play.witness.served == 0);
  CHECK(play.farewells == 0);
  CHECK(play.bad() == 1);
}

}  // namespace

TEST_CASE("proxy header: the session goes by what it announces", "[session]") {
  Play play{from("127.0.0.1")};
  play.say(std::string(kLine) + "rest");
  CHECK(play.witness.name == "192.0.2.7:4711");
  CHECK(play.witness.peer == "192.0.2.7:4711");
  CHECK(play.witness.local == "198.51.100.1:3306");
  CHECK_FALSE(play.witness.is_local);
  CHECK(play.witness.rest == "rest");
  CHECK(play.farewells == 1);
  CHECK(play.bad() == 0);
}

TEST_CASE("proxy header: byte by byte", "[session]") {
  Play play{from("127.0.0.1")};
  for (const char& byte : kLine) {
    play.client->send({&byte, 1});
    uv_run(play.loop.uv(), UV_RUN_NOWAIT);
  }
  play.client->end();
  play.finish();
  CHECK(play.witness.peer == "192.0.2.7:4711");
  CHECK(play.witness.rest.empty());
}

TEST_CASE("proxy header: UNKNOWN leaves the socket's own addresses", "[session]") {
  Play play{from("127.0.0.1")};
  play.say(kUnknown);
  CHECK(play.witness.served == 1);
  CHECK(play.witness.peer == "127.0.0.1:5");
}

TEST_CASE("proxy header: not asked of others", "[session]") {
  Play play{from("127.0.0.2")};
  play.say(kLine);
  CHECK(play.witness.peer == "127.0.0.1:5");
  CHECK(play.witness.rest == kLine);
  CHECK(play.witness.left == Millis{400});
}

TEST_CASE("proxy header: what is none ends the session before the protocol begins", "[session]") {
  check_bad("\x20\x00\x00\x01 a login packet");
  check_bad("PROXY TCP4 1.2.3.4\r\n");
  check_bad("PROXY UNKNOWN" + std::string(100, ' '));
  check_bad("PROXY UNKN");  // and the end
}

TEST_CASE("proxy header: a peer that only looks whether the port answers", "[session]") {
  Play play{from("127.0.0.1")};
  play.say("");
  CHECK(play.witness.served == 0);
  CHECK(play.farewells == 0);
  CHECK(play.bad() == 0);
  CHECK(play.aborted() == 1);
}

TEST_CASE("proxy header: waited for as long as for a login", "[session]") {
  Play play{from("127.0.0.1")};
  play.client->send("PROXY ");
  play.finish();
  CHECK(play.witness.served == 0);
  CHECK(play.bad() == 1);
}

TEST_CASE("proxy header: its time is taken from the login's", "[session]") {
  Play play{from("127.0.0.1")};
  const auto begin = Clock::now();
  while (Clock::now() - begin < Millis{60}) uv_run(play.loop.uv(), UV_RUN_NOWAIT);
  play.say(kLine);
  CHECK(play.witness.left <= Millis{350});
  CHECK(play.witness.left > Millis{0});
}

TEST_CASE("proxy header: a session that is stopped waits no longer", "[session]") {
  Play play{from("127.0.0.1")};
  uv_run(play.loop.uv(), UV_RUN_NOWAIT);
  REQUIRE(play.open != nullptr);
  play.open->stop(StopReason::Shutdown);
  play.finish();
  CHECK(play.witness.served == 0);
  CHECK(play.bad() == 0);
}

TEST_CASE("proxy header: the kernel vouches for the proxy, not for its client", "[session]") {
  const net::Address unix_peer = net::Address::unix_name({});
  Play direct{{}, unix_peer};
  direct.say("");
  CHECK(direct.witness.is_local);
  CHECK(direct.witness.is_vouched_for);
  Play unknown{from_unix(), unix_peer};
  unknown.say(kUnknown);
  CHECK(unknown.witness.is_local);
  CHECK_FALSE(unknown.witness.is_vouched_for);
  Play announced{from_unix(), unix_peer};
  announced.say(kLine);
  CHECK(announced.witness.peer == "192.0.2.7:4711");
  CHECK_FALSE(announced.witness.is_local);
  CHECK_FALSE(announced.witness.is_vouched_for);
}

TEST_CASE("proxy header: a unix socket may be announced over TCP, and makes nobody local",
          "[session]") {
  std::string header{"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8/client", 23};
  header.resize(16 + 108);
  header += "/run/x.sock";
  header.resize(16 + 216);
  Play play{from("127.0.0.1")};
  play.say(header);
  CHECK(play.witness.peer == "/client");
  CHECK(play.witness.local == "/run/x.sock");
  CHECK(play.witness.name == "local");
  CHECK_FALSE(play.witness.is_local);
  CHECK_FALSE(play.witness.is_vouched_for);
  CHECK(play.witness.sent_v1 == kUnknown);
}

TEST_CASE("proxy header: what a server is told", "[session]") {
  Play ipv4{from("127.0.0.1")};
  ipv4.say(kLine);
  CHECK(ipv4.witness.sent_v1 == kLine);
  CHECK(ipv4.witness.sent_v2.size() == 28);
  CHECK(ipv4.witness.sent_none.empty());
  Play mapped{from("127.0.0.1")};
  mapped.say("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 4711 3306\r\n");
  CHECK(mapped.witness.sent_v1 == kLine);
  Play ipv6{from("127.0.0.1")};
  ipv6.say("PROXY TCP6 ::ffff:192.0.2.7 2001:db8::1 4711 3306\r\n");
  CHECK(ipv6.witness.sent_v1 == "PROXY TCP6 ::ffff:192.0.2.7 2001:db8::1 4711 3306\r\n");
  CHECK(ipv6.witness.sent_v2.size() == 52);
  Play local{{}, net::Address::unix_name({})};
  local.say("");
  CHECK(local.witness.sent_v1 == kUnknown);
  CHECK(local.witness.sent_v2 == std::string_view("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16));
}

}  // namespace perilune::session
