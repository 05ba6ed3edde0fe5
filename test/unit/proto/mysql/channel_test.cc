#include "proto/mysql/channel.hh"

#include <string>

#include "support/catch.hh"
#include "support/hex.hh"
#include "support/run_task.hh"
#include "support/scripted_peer.hh"
#include "support/socket_pair.hh"
#include "util/error.hh"

namespace perilune::proto::mysql {

namespace {

struct Fixture {
  event::Loop loop;
  test::SocketPair pair = test::make_socket_pair();
  test::ScriptedPeer peer{loop, std::move(pair.theirs)};
  net::Stream stream{loop, std::move(pair.ours)};
  Channel channel{stream, "Client"};

  void peer_sends(const char* hex) { peer.send(as_text(test::from_hex(hex))); }
  std::string receive(std::size_t limit = 1000) {
    return std::string{as_text(test::run_task(loop, channel.receive(limit)))};
  }
};

}  // namespace

TEST_CASE("channel: one payload after the other, numbered in both directions", "[proto][mysql]") {
  Fixture f;
  f.peer_sends("03 00 00 00 61 62 63");
  CHECK(f.receive() == "abc");
  f.channel.send(as_bytes("de"));
  CHECK(test::run_task(f.loop, f.peer.receive(6)) == std::string("\2\0\0\1de", 6));
  f.peer_sends("00 00 00 02");
  CHECK(f.receive().empty());
}

TEST_CASE("channel: refuses packets out of order", "[proto][mysql]") {
  Fixture f;
  f.peer_sends("01 00 00 05 61");
  CHECK_THROWS_AS(f.receive(), PeerError);
}

TEST_CASE("channel: refuses a length beyond the limit before it arrives", "[proto][mysql]") {
  Fixture f;
  f.peer_sends("ff ff ff 00");
  CHECK_THROWS_WITH(f.receive(), Catch::Contains("more than 1000 bytes"));
}

TEST_CASE("channel: a peer that ends in the middle is named", "[proto][mysql]") {
  Fixture f;
  f.peer_sends("05 00 00 00 61");
  f.peer.end();
  CHECK_THROWS_WITH(f.receive(), Catch::Contains("Client closed"));
}

}  // namespace perilune::proto::mysql
