#include "net/tls.hh"

#include <string>
#include <vector>

#include "event/timer.hh"
#include "net/stream.hh"
#include "support/catch.hh"
#include "support/certificates.hh"
#include "support/run_task.hh"
#include "support/socket_pair.hh"
#include "util/error.hh"

namespace perilune::net {

namespace {

// Two ends of a connection, each with TLS of its own kind.
struct Pair {
  explicit Pair(test::SocketPair sockets = test::make_socket_pair())
      : server(loop, std::move(sockets.theirs)), client(loop, std::move(sockets.ours)) {}

  void start(const std::shared_ptr<const TlsServer>& listener,
             const std::shared_ptr<TlsClient>& connector, const std::string& name = {}) {
    server.start_tls(std::make_unique<Tls>(listener));
    client.start_tls(std::make_unique<Tls>(connector, name, "server"));
  }

  event::Loop loop;
  Stream server;
  Stream client;
};

event::Task<std::string> read(Stream& stream, std::size_t size) {
  bool more = true;
  while (more && stream.input().size() < size) {
    more = co_await stream.fill();
  }
  const std::string text{as_text(stream.input())};
  stream.consume(stream.input().size());
  co_return text;
}

event::Task<> both(Pair& pair) {
  event::TaskGroup group{pair.loop};
  group.spawn(finish_handshake(pair.server));
  co_await finish_handshake(pair.client);
  // Under TLS 1.3 the client is content first.
  for (int i = 0; i < 100 && !pair.server.tls()->is_open() && !pair.server.has_ended(); ++i) {
    co_await event::Sleep(pair.loop, Millis{1});
  }
}

std::shared_ptr<TlsClient> anything_goes() {
  return std::make_shared<TlsClient>(TlsClientOptions{});
}

std::string patterned(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return text;
}

}  // namespace

TEST_CASE("tls: bytes of any size go both ways", "[net][tls]") {
  Pair pair;
  pair.start(TlsServer::make_self_signed(), anything_goes());
  test::run_task(pair.loop, both(pair));
  REQUIRE(pair.client.tls()->is_open());
  REQUIRE(pair.server.tls()->is_open());
  CHECK(pair.client.tls()->version() == "TLSv1.3");
  CHECK_FALSE(pair.client.tls()->cipher().empty());
  CHECK(pair.server.tls()->subject().empty());
  CHECK(pair.client.tls()->subject() == "CN=perilune");
  for (const std::size_t size : {1UL, 100UL, 16384UL, 16385UL, 70000UL, 3000000UL}) {
    const std::string text = patterned(size);
    pair.client.write(as_bytes(text));
    CHECK(test::run_task(pair.loop, read(pair.server, size)) == text);
    pair.server.write(as_bytes(text));
    CHECK(test::run_task(pair.loop, read(pair.client, size)) == text);
  }
}

TEST_CASE("tls: what is written before the handshake is over never leaves", "[net][tls]") {
  Pair pair;
  pair.start(TlsServer::make_self_signed(), anything_goes());
  pair.client.write(as_bytes("early"));
  test::run_task(pair.loop, both(pair));
  pair.client.write(as_bytes("late"));
  CHECK(test::run_task(pair.loop, read(pair.server, 4)) == "late");
}

TEST_CASE("tls: input that came before TLS began belongs to the handshake", "[net][tls]") {
  Pair pair;
  pair.client.write(as_bytes("clear text, not TLS"));
  test::run_task(pair.loop, [](Pair& p) -> event::Task<> {
    const bool grown = co_await p.server.fill();
    CHECK(grown);
  }(pair));
  pair.server.start_tls(std::make_unique<Tls>(TlsServer::make_self_signed()));
  CHECK(pair.server.tls()->state() == Tls::State::Failed);
  CHECK_FALSE(pair.server.tls()->error().empty());
  CHECK(pair.server.has_ended());
  CHECK(pair.server.input().empty());
}

TEST_CASE("tls: the end is told behind the last bytes", "[net][tls]") {
  Pair pair;
  pair.start(TlsServer::make_self_signed(), anything_goes());
  test::run_task(pair.loop, both(pair));
  pair.client.write(as_bytes("goodbye"));
  pair.client.shut_down();
  CHECK(test::run_task(pair.loop, read(pair.server, 100)) == "goodbye");
  CHECK(pair.server.has_ended());
  CHECK(pair.server.end_code() == 0);
}

TEST_CASE("tls: a server's certificate is checked against its name", "[net][tls]") {
  const test::Certificates certificates;
  const auto listener = TlsServer::load({certificates.cert(), certificates.key(), {}, {}}, nullptr);
  TlsClientOptions options;
  options.ca = certificates.ca();
  options.verify = true;
  SECTION("the right name") {
    Pair pair;
    pair.start(listener, std::make_shared<TlsClient>(options), "localhost");
    test::run_task(pair.loop, both(pair));
    CHECK(pair.client.tls()->is_open());
    CHECK(pair.client.tls()->verification_error().empty());
    CHECK(pair.server.tls()->server_name() == "localhost");
  }
  SECTION("an address") {
    Pair pair;
    pair.start(listener, std::make_shared<TlsClient>(options), "127.0.0.1");
    test::run_task(pair.loop, both(pair));
    CHECK(pair.client.tls()->verification_error().empty());
    CHECK(pair.server.tls()->server_name().empty());
  }
  SECTION("another name") {
    Pair pair;
    pair.start(listener, std::make_shared<TlsClient>(options), "db.example");
    test::run_task(pair.loop, both(pair));
    CHECK(pair.client.tls()->is_open());
    CHECK(pair.client.tls()->verification_error() == "hostname mismatch");
  }
  SECTION("another authority") {
    Pair pair;
    pair.start(TlsServer::make_self_signed(), std::make_shared<TlsClient>(options), "localhost");
    test::run_task(pair.loop, both(pair));
    CHECK_FALSE(pair.client.tls()->verification_error().empty());
  }
}

TEST_CASE("tls: clients may show a certificate that the listener's authorities signed",
          "[net][tls]") {
  const test::Certificates certificates;
  const auto listener =
      TlsServer::load({certificates.cert(), certificates.key(), certificates.ca(), {}}, nullptr);
  TlsClientOptions options;
  SECTION("a good one") {
    options.cert = certificates.client_cert();
    options.key = certificates.client_key();
    Pair pair;
    pair.start(listener, std::make_shared<TlsClient>(options));
    test::run_task(pair.loop, both(pair));
    REQUIRE(pair.server.tls()->is_open());
    CHECK(pair.server.tls()->has_client_certificate());
    CHECK(pair.server.tls()->subject() == "CN=client,O=Perilune");
  }
  SECTION("none") {
    Pair pair;
    pair.start(listener, std::make_shared<TlsClient>(options));
    test::run_task(pair.loop, both(pair));
    REQUIRE(pair.server.tls()->is_open());
    CHECK_FALSE(pair.server.tls()->has_client_certificate());
  }
  SECTION("a stranger's") {
    const test::Certificates others;
    options.cert = others.client_cert();
    options.key = others.client_key();
    Pair pair;
    pair.start(listener, std::make_shared<TlsClient>(options));
    test::run_task(pair.loop, both(pair));
    CHECK(pair.server.tls()->state() == Tls::State::Failed);
  }
}

TEST_CASE("tls: sessions are resumed, also by a listener that was loaded again", "[net][tls]") {
  const test::Certificates certificates;
  const TlsServerOptions options{certificates.cert(), certificates.key(), {}, {}};
  auto listener = TlsServer::load(options, nullptr);
  const auto connector = anything_goes();
  for (int round = 0; round < 3; ++round) {
    Pair pair;
    pair.start(listener, connector);
    test::run_task(pair.loop, both(pair));
    REQUIRE(pair.server.tls()->is_open());
    CHECK(pair.server.tls()->is_resumed() == (round > 0));
    pair.server.write(as_bytes("x"));  // with the ticket before it
    CHECK(test::run_task(pair.loop, read(pair.client, 1)) == "x");
    if (round == 1) listener = TlsServer::load(options, listener.get());
  }
}

TEST_CASE("tls: no session outlives the authorities that vouched for its client", "[net][tls]") {
  const test::Certificates certificates;
  const test::Certificates others;
  TlsClientOptions shown;
  shown.cert = certificates.client_cert();
  shown.key = certificates.client_key();
  TlsServerOptions options{certificates.cert(), certificates.key(), certificates.ca(), {}};
  const auto before = TlsServer::load(options, nullptr);
  for (const std::string& client_ca : {others.ca(), std::string(), certificates.ca()}) {
    const auto connector = std::make_shared<TlsClient>(shown);
    Pair first;
    first.start(before, connector);
    test::run_task(first.loop, both(first));
    REQUIRE(first.server.tls()->has_client_certificate());
    first.server.write(as_bytes("x"));
    CHECK(test::run_task(first.loop, read(first.client, 1)) == "x");
    options.client_ca = client_ca;
    Pair second;
    second.start(TlsServer::load(options, before.get()), connector);
    test::run_task(second.loop, both(second));
    CAPTURE(client_ca);
    CHECK(second.server.tls()->is_open() == (client_ca != others.ca()));
    CHECK_FALSE(second.server.tls()->is_resumed());
    CHECK(second.server.tls()->has_client_certificate() == (client_ca == certificates.ca()));
  }
}

TEST_CASE("tls: files that are missing or wrong are named", "[net][tls]") {
  const test::Certificates certificates;
  const auto message = [](const TlsServerOptions& options) -> std::string {
    try {
      TlsServer::load(options, nullptr);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return {};
  };
  CHECK(message({"/no/such.pem", {}, {}, {}}).find("/no/such.pem") != std::string::npos);
  CHECK(message({certificates.cert(), "/no/key.pem", {}, {}}).find("/no/key.pem") !=
        std::string::npos);
  CHECK(message({certificates.cert(), certificates.client_key(), {}, {}})
            .find("key values mismatch") != std::string::npos);
  CHECK(message({certificates.cert(), certificates.key(), "/no/ca.pem", {}}).find("/no/ca.pem") !=
        std::string::npos);
  TlsClientOptions options;
  options.ca = "/no/ca.pem";
  CHECK_THROWS_AS(TlsClient(options), ConfigError);
}

TEST_CASE("tls: a listener may insist on TLS 1.3", "[net][tls]") {
  const test::Certificates certificates;
  const auto listener =
      TlsServer::load({certificates.cert(), certificates.key(), {}, TlsVersion::Tls13}, nullptr);
  Pair pair;
  pair.start(listener, anything_goes());
  test::run_task(pair.loop, both(pair));
  CHECK(pair.server.tls()->version() == "TLSv1.3");
}

TEST_CASE("tls: every byte of a handshake that is changed ends in failure, not in a crash",
          "[net][tls]") {
  const auto listener = TlsServer::make_self_signed();
  Buffer hello;
  std::vector<std::byte> plain(event::Loop::kPlainBuffer);
  Tls client{anything_goes(), "", ""};
  client.receive({}, plain, hello);
  REQUIRE_FALSE(hello.empty());
  for (std::size_t i = 0; i < hello.size(); ++i) {
    Buffer changed = hello;
    changed[i] ^= std::byte{0xFF};
    Tls server{listener};
    Buffer out;
    CHECK(server.receive(changed, plain, out) == 0);
    CHECK_FALSE(server.is_open());
  }
}

}  // namespace perilune::net
