// LOAD DATA LOCAL in an exchange.

#include <algorithm>

#include "support/catch.hh"
#include "support/hex.hh"
#include "unit/wire/mysql/exchange_wire.hh"
#include "wire/mysql/framing.hh"

using namespace perilune;
using namespace perilune::test;

TEST_CASE("mysql local file: local files", "[wire][mysql]") {
  Wire wire{kModern};
  wire.send(Command::Query);
  REQUIRE(wire.server("fb 66") == Stop::None);
  CHECK_FALSE(wire.exchange.client_at_border());
  CHECK(wire.exchange.outstanding() == 1);
  REQUIRE(wire.client(packet(from_hex("61 62"), 2)) == Stop::None);
  CHECK(wire.exchange.owed_sequence() == 3);
  REQUIRE(wire.client(packet({}, 3)) == Stop::None);
  CHECK(wire.exchange.client_at_border());
  wire.sequence = 4;
  wire.answer({kOk});
  CHECK(wire.exchange.idle());
}

TEST_CASE("mysql local file: a file whose bytes look like commands is still a file",
          "[wire][mysql]") {
  Wire wire{kModern};
  wire.send(Command::Query);
  wire.server("fb 66");
  CommandSet all;
  all.set();
  const Buffer data = packet(from_hex("0e"), 2);
  const Progress progress = wire.exchange.client(data, all);
  CHECK(progress.stop == Stop::None);
  CHECK(progress.consumed == data.size());
}

TEST_CASE("mysql local file: an error before the file has been sent", "[wire][mysql]") {
  Wire wire{kModern};
  wire.send(Command::Query);
  wire.server("fb 66");
  REQUIRE(wire.server(kErr) == Stop::None);
  CHECK(wire.exchange.outstanding() == 0);
  CHECK_FALSE(wire.exchange.idle());
  REQUIRE(wire.client(packet(from_hex("61"), 2)) == Stop::None);
  REQUIRE(wire.client(packet({}, 3)) == Stop::None);
  CHECK(wire.exchange.idle());
  wire.send(Command::Ping);
  wire.answer({kOk});
}

TEST_CASE("mysql local file: nothing may be sent behind LOAD DATA LOCAL", "[wire][mysql]") {
  Wire wire{kModern};
  wire.send(Command::Query);
  SECTION("a command") { wire.client(command(Command::Ping)); }
  SECTION("a command without an answer") { wire.client(command(Command::StmtClose)); }
  SECTION("half a command without an answer") {
    const Buffer half = command(Command::StmtSendLongData, "0123456789");
    wire.client(Bytes{half}.first(9));
  }
  CHECK(wire.server("fb 66") == Stop::Malformed);
  CHECK(wire.because() == "command sent behind LOAD DATA LOCAL");
  CHECK(wire.exchange.client_broke());
  CHECK(wire.exchange.owed_sequence() == 1);
}

TEST_CASE("mysql local file: an error in the place of a later request for one", "[wire][mysql]") {
  Wire wire{kModern};
  wire.send(Command::Query);
  wire.client(command(Command::Ping));
  REQUIRE(wire.server(kOkMore) == Stop::None);
  CHECK(wire.server("fb 66") == Stop::Malformed);
  CHECK(wire.exchange.client_broke());
  CHECK(wire.exchange.owed_sequence() == 2);
}

TEST_CASE("mysql local file: a silent command before LOAD DATA LOCAL is no harm", "[wire][mysql]") {
  Wire wire{kModern};
  wire.send(Command::Ping);
  wire.client(command(Command::StmtClose));
  wire.client(command(Command::Query));
  wire.answer({kOk});
  wire.sequence = 1;
  CHECK(wire.server("fb 66") == Stop::None);
}

TEST_CASE("mysql local file: a command held back by the proxy is behind it too", "[wire][mysql]") {
  CommandSet all;
  all.set();
  const Buffer ping = command(Command::Ping);
  Wire wire{kModern};
  wire.send(Command::Query);
  SECTION("one that was intercepted") {
    CHECK(wire.exchange.client(ping, all).stop == Stop::Intercept);
  }
  SECTION("the start of one") {
    CHECK(wire.exchange.client(Bytes{ping}.first(4), {}).consumed == 0);
  }
  CHECK(wire.server("fb 66") == Stop::Malformed);
}

TEST_CASE("mysql local file: a statement that was held back may ask for one", "[wire][mysql]") {
  CommandSet all;
  all.set();
  Wire wire{kModern};
  CHECK(wire.exchange.client(command(Command::Query), all).stop == Stop::Intercept);
  wire.exchange.forwarded(Command::Query, 0);
  CHECK(wire.server("fb 66") == Stop::None);
}

TEST_CASE("mysql local file: a command taken off the stream behind LOAD DATA LOCAL",
          "[wire][mysql]") {
  Wire wire{kModern};
  wire.send(Command::Query);
  wire.server("fb 66");
  wire.exchange.forwarded(Command::Query, 0);
  CHECK(wire.client(packet({}, 2)) == Stop::Malformed);
  CHECK(wire.exchange.client_broke());
}

TEST_CASE("mysql local file: the server must wait for the file", "[wire][mysql]") {
  Wire wire{kModern};
  wire.send(Command::Query);
  wire.server("fb 66");
  CHECK(wire.server(kOk) == Stop::Malformed);
  CHECK_FALSE(wire.exchange.client_broke());
}

TEST_CASE("mysql local file: not before the statement is complete", "[wire][mysql]") {
  Wire wire{kModern};
  Buffer first(kHeaderSize + kMaxPacket);
  std::ranges::copy(encode_header({kMaxPacket, 0}), first.begin());
  first[kHeaderSize] = static_cast<std::byte>(Command::Query);
  REQUIRE(wire.client(first) == Stop::None);
  CHECK(wire.server("fb 66") == Stop::Malformed);
  CHECK_FALSE(wire.exchange.client_broke());
}
