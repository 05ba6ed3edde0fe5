#include "wire/mysql/exchange.hh"

#include <algorithm>

#include "support/catch.hh"
#include "support/hex.hh"
#include "unit/wire/mysql/exchange_wire.hh"
#include "wire/mysql/framing.hh"

using namespace perilune;
using namespace perilune::test;

TEST_CASE("mysql exchange: a new one is idle", "[wire][mysql]") {
  const Exchange exchange{kModern};
  CHECK(exchange.idle());
  CHECK(exchange.outstanding() == 0);
  CHECK(exchange.owed_sequence() == 0);
  CHECK_FALSE(exchange.in_transaction());
  CHECK_FALSE(exchange.quit());
  CHECK_FALSE(exchange.opaque());
  CHECK_FALSE(exchange.replicating());
  CHECK_FALSE(exchange.server_said_goodbye());
}

TEST_CASE("mysql exchange: a binary log", "[wire][mysql]") {
  const auto what = GENERATE(Command::BinlogDump, Command::BinlogDumpGtid);
  Wire wire{kModern};
  wire.send(what);
  CHECK_FALSE(wire.exchange.replicating());
  CHECK(wire.server("00 01 02") == Stop::None);
  CHECK(wire.exchange.replicating());
  CHECK(wire.client(packet(from_hex("ef 00 01"), 0)) == Stop::None);
  CHECK(wire.client(packet(from_hex("ef 00 01"), 9)) == Stop::None);
  CHECK(wire.exchange.outstanding() == 1);
  CHECK(wire.server("00 fe") == Stop::None);
  SECTION("ends") { CHECK(wire.server(kEof) == Stop::None); }
  SECTION("fails") { CHECK(wire.server(kErr) == Stop::None); }
  CHECK_FALSE(wire.exchange.replicating());
  CHECK(wire.exchange.idle());
}

TEST_CASE("mysql exchange: a replica may leave while a binary log is streamed", "[wire][mysql]") {
  Wire wire{kModern};
  wire.send(Command::BinlogDump);
  wire.server("00 01 02");
  CHECK(wire.client(command(Command::Quit)) == Stop::None);
  CHECK(wire.exchange.quit());
}

TEST_CASE("mysql exchange: commands behind a streamed binary log wait for its end",
          "[wire][mysql]") {
  CommandSet change;
  change.set(static_cast<std::size_t>(Command::ChangeUser));
  const Buffer next = GENERATE(command(Command::ChangeUser), packet({}, 9));
  Wire wire{kModern};
  wire.send(Command::BinlogDump);
  wire.server("00 01 02");
  const Progress progress = wire.exchange.client(next, change);
  CHECK(progress.stop == Stop::Full);
  CHECK(progress.consumed == 0);
  CHECK(wire.server(kEof) == Stop::None);
  CHECK(wire.exchange.idle());
  const Stop then = wire.exchange.client(next, change).stop;
  CHECK(then == (next.size() > kHeaderSize ? Stop::Intercept : Stop::Malformed));
}

TEST_CASE("mysql exchange: nothing passes behind a command until it is known what it is",
          "[wire][mysql]") {
  const auto what = GENERATE(Command::Clone, Command::SubscribeGroupReplicationStream,
                             Command::BinlogDump, Command::BinlogDumpGtid);
  CommandSet change;
  change.set(static_cast<std::size_t>(Command::ChangeUser));
  const Buffer next = command(Command::ChangeUser, "nobody");
  const Buffer silent = command(Command::StmtClose, "....");
  Wire wire{kModern};
  Buffer batch = command(Command::Ping);
  append(batch, command(what));
  const std::size_t passed = batch.size();
  append(batch, next);
  const Progress progress = wire.exchange.client(batch, change);
  CHECK(progress.stop == Stop::Full);
  CHECK(progress.consumed == passed);
  CHECK(wire.exchange.client(silent, change).stop == Stop::Full);
  CHECK(wire.exchange.client(silent, change).consumed == 0);
  wire.answer({kOk});
  CHECK(wire.exchange.client(next, change).stop == Stop::Full);
  wire.sequence = 1;
  wire.answer({kErr});
  CHECK_FALSE(wire.exchange.opaque());
  CHECK_FALSE(wire.exchange.replicating());
  CHECK(wire.exchange.idle());
  CHECK(wire.exchange.client(next, change).stop == Stop::Intercept);
}

TEST_CASE("mysql exchange: other protocols pass", "[wire][mysql]") {
  const auto what = GENERATE(Command::Clone, Command::SubscribeGroupReplicationStream);
  Wire wire{kModern};
  wire.send(what);
  CHECK_FALSE(wire.exchange.opaque());
  CHECK(wire.exchange.owed_sequence() == 1);
  CHECK(wire.server(kOk) == Stop::None);
  CHECK(wire.exchange.opaque());
  CHECK_FALSE(wire.exchange.idle());
  CHECK(wire.exchange.owed_sequence() == std::nullopt);
  const Buffer anything = from_hex("00 00 00 00 ff ff ff ff ff");
  CHECK(wire.exchange.server(anything).consumed == anything.size());
  CHECK(wire.exchange.client(anything, {}).consumed == anything.size());
  CHECK(wire.exchange.client(anything, {}).stop == Stop::None);
}

TEST_CASE("mysql exchange: pipelined commands are answered in order", "[wire][mysql]") {
  Wire wire{kModern};
  Buffer batch;
  append(batch, command(Command::Statistics));
  append(batch, command(Command::StmtClose, "...."));
  append(batch, command(Command::Query));
  append(batch, command(Command::Ping));
  REQUIRE(wire.client(batch) == Stop::None);
  CHECK(wire.exchange.outstanding() == 3);
  wire.answer({"fe 00"});
  wire.sequence = 1;
  wire.answer({"01", kDefinition, kRow, kOkEnd});
  wire.sequence = 1;
  wire.answer({kOk});
  CHECK(wire.exchange.idle());
}

TEST_CASE("mysql exchange: no more than so many commands are outstanding", "[wire][mysql]") {
  Wire wire{kModern};
  for (std::size_t i = 0; i < Exchange::kMaxOutstanding; ++i) {
    REQUIRE(wire.client(command(Command::Ping)) == Stop::None);
  }
  const Progress progress = wire.exchange.client(command(Command::Ping), {});
  CHECK(progress.stop == Stop::Full);
  CHECK(progress.consumed == 0);
  for (std::size_t i = 0; i < Exchange::kMaxOutstanding; ++i) {
    wire.sequence = 1;
    wire.answer({kOk});
    if (i == 100) CHECK(wire.client(command(Command::Statistics)) == Stop::None);
  }
  wire.sequence = 1;
  wire.answer({"fe"});
  CHECK(wire.exchange.idle());
}

TEST_CASE("mysql exchange: stops before the header of an intercepted command", "[wire][mysql]") {
  CommandSet queries;
  queries.set(static_cast<std::size_t>(Command::Query));
  Exchange exchange{kModern};
  Buffer batch = command(Command::Ping);
  const std::size_t ping = batch.size();
  append(batch, command(Command::Query, "select 1"));
  const Progress progress = exchange.client(batch, queries);
  CHECK(progress.stop == Stop::Intercept);
  CHECK(progress.consumed == ping);
  CHECK(exchange.outstanding() == 1);
  CHECK(exchange.client_at_border());
  exchange.forwarded(Command::Query, 0);
  CHECK(exchange.outstanding() == 2);
}

TEST_CASE("mysql exchange: COM_CHANGE_USER is a login and must be intercepted", "[wire][mysql]") {
  CommandSet change;
  change.set(static_cast<std::size_t>(Command::ChangeUser));
  Exchange exchange{kModern};
  CHECK(exchange.client(command(Command::ChangeUser), change).stop == Stop::Intercept);
  const Progress progress = exchange.client(command(Command::ChangeUser), {});
  CHECK(progress.stop == Stop::Malformed);
  CHECK(progress.consumed == 0);
}

TEST_CASE("mysql exchange: the start of a command is left until its first byte is there",
          "[wire][mysql]") {
  const Buffer query = command(Command::Query, "select 1");
  for (std::size_t size = 1; size < 5; ++size) {
    Exchange exchange{kModern};
    const Progress progress = exchange.client(Bytes{query}.first(size), {});
    CHECK(progress.consumed == 0);
    CHECK(progress.stop == Stop::None);
    CHECK(exchange.idle());
  }
  Exchange exchange{kModern};
  CHECK(exchange.client(Bytes{query}.first(5), {}).consumed == 5);
  CHECK(exchange.outstanding() == 1);
  CHECK_FALSE(exchange.client_at_border());
  CHECK(exchange.client(Bytes{query}.subspan(5), {}).consumed == query.size() - 5);
  CHECK(exchange.client_at_border());
}

TEST_CASE("mysql exchange: what a client must not send", "[wire][mysql]") {
  Wire wire{kModern};
  SECTION("an empty command") {
    CHECK(wire.client(packet({}, 0)) == Stop::Malformed);
    CHECK(wire.because() == "empty command");
  }
  SECTION("a command with another number") {
    CHECK(wire.client(packet(from_hex("0e"), 1)) == Stop::Malformed);
  }
  SECTION("a file with another number") {
    wire.send(Command::Query);
    wire.server("fb 66");
    CHECK(wire.client(packet(from_hex("61"), 0)) == Stop::Malformed);
  }
  SECTION("a long command that counts wrongly") {
    Buffer first(kHeaderSize + kMaxPacket);
    std::ranges::copy(encode_header({kMaxPacket, 0}), first.begin());
    first[kHeaderSize] = std::byte{3};
    REQUIRE(wire.client(first) == Stop::None);
    CHECK_FALSE(wire.exchange.client_at_border());
    CHECK(wire.client(packet(from_hex("61"), 2)) == Stop::Malformed);
  }
  CHECK(wire.exchange.client_broke());
  // It is final.
  CHECK(wire.exchange.client(command(Command::Ping), {}).stop == Stop::Malformed);
  CHECK(wire.exchange.client(command(Command::Ping), {}).consumed == 0);
  CHECK(wire.exchange.server(packet(from_hex(kOk), 1)).stop == Stop::Malformed);
}

TEST_CASE("mysql exchange: what a server must not send", "[wire][mysql]") {
  Wire wire{kClassic};
  SECTION("an answer to nothing") { CHECK(wire.server(kOk) == Stop::Malformed); }
  SECTION("a progress report on nothing") { CHECK(wire.server(kProgress) == Stop::Malformed); }
  wire.send(Command::Query);
  SECTION("an empty answer") { CHECK(wire.server("") == Stop::Malformed); }
  SECTION("half an OK") { CHECK(wire.server("00 00") == Stop::Malformed); }
  SECTION("too many columns") { CHECK(wire.server("fd ff ff ff") == Stop::Malformed); }
  SECTION("no end of the definitions") {
    wire.server("01");
    wire.server(kDefinition);
    CHECK(wire.server(kRow) == Stop::Malformed);
  }
  SECTION("half an end of rows") {
    wire.server("01");
    wire.server(kDefinition);
    wire.server(kEof);
    CHECK(wire.server("fe") == Stop::Malformed);
  }
  SECTION("something else than a prepared statement") {
    wire.answer({kOk});
    wire.send(Command::StmtPrepare);
    CHECK(wire.server(kOk) == Stop::Malformed);
  }
  CHECK_FALSE(wire.because().empty());
  CHECK_FALSE(wire.exchange.client_broke());
}

TEST_CASE("mysql exchange: an error takes the number of the malformed packet", "[wire][mysql]") {
  Exchange exchange{kModern};
  exchange.client(command(Command::Ping), {});
  exchange.server(packet(from_hex(kOk), 1));
  exchange.client(command(Command::Query), {});
  SECTION("the first of an answer") {
    const Buffer ok = packet(from_hex("00 fd 01"), 1);
    CHECK(exchange.server(ok).consumed == 0);
    CHECK(exchange.owed_sequence() == 1);
  }
  SECTION("a later one") {
    Buffer bytes = packet(from_hex("01"), 1);
    append(bytes, packet(from_hex(kDefinition), 2));
    const std::size_t good = bytes.size();
    append(bytes, packet(from_hex("fe fd 01"), 3));
    CHECK(exchange.server(bytes).consumed == good);
    CHECK(exchange.owed_sequence() == 3);
  }
  CHECK(exchange.server_at_border());
}

TEST_CASE("mysql exchange: no place for an error inside a malformed packet", "[wire][mysql]") {
  const Buffer bad = GENERATE(packet(from_hex("00 fd 01"), 1), packet({}, 1));
  for (std::size_t cut = 1; cut < bad.size(); ++cut) {
    CAPTURE(cut);
    Exchange exchange{kModern};
    exchange.client(command(Command::Query), {});
    REQUIRE(exchange.server(Bytes{bad}.first(cut)).consumed == cut);
    const Progress progress = exchange.server(Bytes{bad}.subspan(cut));
    CHECK(progress.stop == Stop::Malformed);
    // The header may be consumed alone, the last piece never is.
    CHECK(cut + progress.consumed < bad.size());
    CHECK(exchange.owed_sequence() == std::nullopt);
    CHECK_FALSE(exchange.server_at_border());
  }
}

TEST_CASE("mysql exchange: nothing of a malformed packet is consumed", "[wire][mysql]") {
  Exchange exchange{kModern};
  exchange.client(command(Command::Ping), {});
  Buffer bytes = packet(from_hex(kOk), 1);
  const std::size_t good = bytes.size();
  append(bytes, packet(from_hex(kOk), 1));
  const Progress progress = exchange.server(bytes);
  CHECK(progress.stop == Stop::Malformed);
  CHECK(progress.consumed == good);
}

TEST_CASE("mysql exchange: an error that answers nothing is a goodbye", "[wire][mysql]") {
  Wire wire{kModern};
  wire.send(Command::Ping);
  wire.answer({kErr});
  CHECK_FALSE(wire.exchange.server_said_goodbye());
  wire.sequence = 0;
  CHECK(wire.server(kErr) == Stop::None);
  CHECK(wire.exchange.server_said_goodbye());
  CHECK(wire.exchange.idle());
}

TEST_CASE("mysql exchange: the status is that of the last OK or EOF", "[wire][mysql]") {
  Wire wire{kModern};
  wire.exchange.set_status(status::kAutocommit);
  CHECK(wire.exchange.status() == status::kAutocommit);
  wire.send(Command::Query);
  wire.answer({"00 fc 00 01 fd 00 00 01 03 00 00 00"});
  CHECK(wire.exchange.status() == 3);
  CHECK(wire.exchange.in_transaction());
  wire.send(Command::Query);
  wire.answer({kErr});
  CHECK(wire.exchange.in_transaction());
  wire.send(Command::Query);
  wire.answer({"01", kDefinition, "fe 00 00 00 20 00 00"});
  CHECK(wire.exchange.in_transaction());
  wire.send(Command::Ping);
  wire.answer({kOk});
  CHECK_FALSE(wire.exchange.in_transaction());
}

TEST_CASE("mysql exchange: the number that an error must carry", "[wire][mysql]") {
  Exchange exchange{kModern};
  exchange.client(command(Command::Query), {});
  CHECK(exchange.owed_sequence() == 1);
  const Buffer head = packet(from_hex("01"), 1);
  exchange.server(Bytes{head}.first(2));
  CHECK(exchange.owed_sequence() == std::nullopt);
  CHECK_FALSE(exchange.server_at_border());
  exchange.server(Bytes{head}.subspan(2));
  CHECK(exchange.owed_sequence() == 2);
  exchange.server(packet(from_hex(kDefinition), 2));
  // A row that is longer than a packet: no place for anything until its last.
  Buffer row(kHeaderSize + kMaxPacket);
  std::ranges::copy(encode_header({kMaxPacket, 3}), row.begin());
  row[kHeaderSize] = std::byte{0xFD};
  exchange.server(row);
  CHECK(exchange.owed_sequence() == std::nullopt);
  CHECK_FALSE(exchange.server_at_border());
  exchange.server(packet({}, 4));
  CHECK(exchange.owed_sequence() == 5);
  exchange.forwarded(Command::Query, 2);
  exchange.server(packet(from_hex(kOkEnd), 255));
  CHECK(exchange.outstanding() == 1);
  CHECK(exchange.owed_sequence() == 3);
}

TEST_CASE("mysql exchange: an error while a long command is still being sent", "[wire][mysql]") {
  Exchange exchange{kModern};
  Buffer first(kHeaderSize + kMaxPacket);
  std::ranges::copy(encode_header({kMaxPacket, 0}), first.begin());
  first[kHeaderSize] = std::byte{3};
  exchange.client(first, {});
  CHECK(exchange.owed_sequence() == 1);
  exchange.server(packet(from_hex(kErr), 1));
  CHECK(exchange.outstanding() == 0);
  CHECK_FALSE(exchange.idle());
  exchange.client(packet(from_hex("61"), 1), {});
  CHECK(exchange.idle());
}

TEST_CASE("mysql exchange: the answer to a long command counts on from its last packet",
          "[wire][mysql]") {
  Exchange exchange{kModern};
  Buffer first(kHeaderSize + kMaxPacket);
  std::ranges::copy(encode_header({kMaxPacket, 0}), first.begin());
  first[kHeaderSize] = static_cast<std::byte>(Command::Query);
  exchange.client(first, {});
  exchange.client(packet(from_hex("61"), 1), {});
  CHECK(exchange.owed_sequence() == 2);
}
