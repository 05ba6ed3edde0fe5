#include "proto/postgres/channel.hh"

#include <string>
#include <variant>

#include "support/catch.hh"
#include "support/hex.hh"
#include "support/run_task.hh"
#include "support/scripted_peer.hh"
#include "support/socket_pair.hh"
#include "util/error.hh"
#include "wire/postgres/framing.hh"

namespace perilune::proto::postgres {

namespace {

struct Fixture {
  event::Loop loop;
  test::SocketPair pair = test::make_socket_pair();
  test::ScriptedPeer peer{loop, std::move(pair.theirs)};
  net::Stream stream{loop, std::move(pair.ours)};
  Channel channel{stream, "Client"};

  void peer_sends(const char* hex) { peer.send(as_text(test::from_hex(hex))); }
  std::string receive(std::size_t limit = 1000) {
    const Received message = test::run_task(loop, channel.receive(limit));
    return static_cast<char>(message.tag) + std::string{as_text(message.body)};
  }
  auto receive_opening() { return test::run_task(loop, channel.receive_opening()); }
};

}  // namespace

TEST_CASE("postgres channel: one message after the other", "[proto][postgres]") {
  Fixture f;
  f.peer_sends("51 00000007 616263 53 00000004 51");
  CHECK(f.receive() == "Qabc");
  CHECK(f.receive() == "S");
  f.peer_sends("00000005 64");
  CHECK(f.receive() == "Qd");
  f.channel.send(test::from_hex("5a 00000005 49"));
  CHECK(test::run_task(f.loop, f.peer.receive(6)) == std::string("Z\0\0\0\5I", 6));
}

TEST_CASE("postgres channel: refuses a length beyond the limit before it arrives",
          "[proto][postgres]") {
  Fixture f;
  f.peer_sends("51 000003ed");
  CHECK_THROWS_WITH(f.receive(), Catch::Contains("message too long"));
}

TEST_CASE("postgres channel: refuses lengths that lie", "[proto][postgres]") {
  Fixture f;
  f.peer_sends("51 00000003");
  CHECK_THROWS_AS(f.receive(), PeerError);
}

TEST_CASE("postgres channel: a peer that ends in the middle is named", "[proto][postgres]") {
  Fixture f;
  f.peer_sends("51 00000009 61");
  f.peer.end();
  CHECK_THROWS_AS(f.receive(), ClientGone);
}

TEST_CASE("postgres channel: the packets of an opening", "[proto][postgres]") {
  Fixture f;
  f.peer_sends("00000008 04d2162f 00000013 0003");
  CHECK(std::holds_alternative<wire::postgres::SslRequest>(f.receive_opening()));
  f.peer_sends("0000 7573657200 616e6e6100 00");
  const auto opening = f.receive_opening();
  REQUIRE(std::holds_alternative<wire::postgres::StartupMessage>(opening));
  CHECK(std::get<wire::postgres::StartupMessage>(opening).user() == "anna");
}

TEST_CASE("postgres channel: refuses what opens nothing", "[proto][postgres]") {
  Fixture f;
  SECTION("a length") { f.peer_sends("47455420"); }
  SECTION("a version") { f.peer_sends("00000009 00020000 00"); }
  CHECK_THROWS_WITH(f.receive_opening(), Catch::Contains("broke the protocol"));
}

TEST_CASE("postgres channel: what came too early is dropped", "[proto][postgres]") {
  Fixture f;
  f.peer_sends("00000008 04d2162f 51 00000005 61");
  (void)f.receive_opening();
  CHECK(f.stream.input().size() == 6);
  f.channel.drop_input();
  CHECK(f.stream.input().empty());
  f.peer_sends("53");
  CHECK(test::run_task(f.loop, f.channel.receive_answer()) == std::byte{'S'});
}

}  // namespace perilune::proto::postgres
