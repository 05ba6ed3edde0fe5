#include "wire/postgres/exchange.hh"

#include "support/catch.hh"
#include "support/hex.hh"
#include "unit/wire/postgres/exchange_wire.hh"

using namespace perilune;
using namespace perilune::test;
using namespace perilune::test::postgres;

namespace {

MessageSet set_of(std::string_view tags) {
  MessageSet set;
  for (const char tag : tags) set.set(static_cast<std::uint8_t>(tag));
  return set;
}

}  // namespace

TEST_CASE("postgres exchange: a new one is idle", "[wire][postgres]") {
  const Exchange exchange;
  CHECK(exchange.idle());
  CHECK(exchange.outstanding() == 0);
  CHECK_FALSE(exchange.needs_flush());
  CHECK_FALSE(exchange.in_transaction());
  CHECK_FALSE(exchange.unsynced());
  CHECK_FALSE(exchange.skipping());
  CHECK_FALSE(exchange.quit());
  CHECK_FALSE(exchange.last_word_is_error());
  CHECK_FALSE(exchange.server_said_goodbye());
}

TEST_CASE("postgres exchange: simple queries", "[wire][postgres]") {
  Wire wire;
  wire.client("Q");
  CHECK(wire.exchange.outstanding() == 1);
  SECTION("rows") { wire.finish("TDDCZI"); }
  SECTION("several") { wire.finish("TDC I C ZI"); }
  SECTION("an error") { wire.finish("TD E ZI"); }
  SECTION("other words in between") { wire.finish("N T S D A C N ZI"); }
  CHECK(wire.exchange.commands() == 1);
}

TEST_CASE("postgres exchange: the transaction is what ReadyForQuery says", "[wire][postgres]") {
  Wire wire;
  wire.client("Q");
  wire.finish("CZT");
  CHECK(wire.exchange.status() == TransactionStatus::InTransaction);
  CHECK(wire.exchange.in_transaction());
  wire.client("Q");
  wire.finish("EZE");
  CHECK(wire.exchange.status() == TransactionStatus::Failed);
  CHECK(wire.exchange.in_transaction());
  wire.client("Q");
  wire.finish("CZI");
  CHECK_FALSE(wire.exchange.in_transaction());
}

TEST_CASE("postgres exchange: an extended series", "[wire][postgres]") {
  Wire wire;
  wire.client("PBDE");
  CHECK(wire.exchange.outstanding() == 4);
  CHECK(wire.exchange.unsynced());
  CHECK(wire.exchange.needs_flush());
  wire.client("S");
  CHECK(wire.exchange.outstanding() == 5);
  CHECK_FALSE(wire.exchange.needs_flush());
  wire.finish("12TDDCZI");
  CHECK(wire.exchange.commands() == 1);
}

TEST_CASE("postgres exchange: every end of an Execute", "[wire][postgres]") {
  const auto* const end = GENERATE("C", "I", "s", "DDs", "HddcC");
  Wire wire;
  wire.client("BES");
  CHECK(wire.server("2") == Stop::None);
  CHECK(wire.server(end) == Stop::None);
  CHECK(wire.exchange.outstanding() == 1);
  wire.finish("ZI");
}

TEST_CASE("postgres exchange: Describe of a statement and of a portal", "[wire][postgres]") {
  Wire wire;
  wire.client("DDDS");
  wire.server("tT");
  CHECK(wire.exchange.outstanding() == 3);
  wire.server("tn");
  CHECK(wire.exchange.outstanding() == 2);
  wire.server("T");
  CHECK(wire.exchange.outstanding() == 1);
  wire.finish("ZI");
}

TEST_CASE("postgres exchange: a series is not over before its Sync", "[wire][postgres]") {
  Wire wire;
  wire.client("PH");
  CHECK_FALSE(wire.exchange.needs_flush());
  wire.server("1");
  CHECK(wire.exchange.outstanding() == 0);
  CHECK_FALSE(wire.exchange.idle());
  CHECK(wire.exchange.unsynced());
  SECTION("Sync") { wire.client("S"); }
  SECTION("Query") { wire.client("Q"); }
  wire.finish("ZI");
}

TEST_CASE("postgres exchange: an error makes the server ignore all up to Sync",
          "[wire][postgres]") {
  Wire wire;
  SECTION("sent before the error") {
    wire.client("PBE PBE Q F C S PBES");
    wire.server("12E");
    CHECK(wire.exchange.outstanding() == 5);
    CHECK_FALSE(wire.exchange.skipping());
    wire.server("ZI");
    wire.finish("12CZI");
  }
  SECTION("sent behind the error") {
    wire.client("PBE");
    wire.server("E");
    CHECK(wire.exchange.outstanding() == 0);
    CHECK(wire.exchange.skipping());
    CHECK_FALSE(wire.exchange.idle());
    wire.client("Q PBE F c");
    CHECK(wire.exchange.outstanding() == 0);
    wire.client("S");
    CHECK_FALSE(wire.exchange.skipping());
    wire.client("Q");
    wire.server("ZE");
    wire.finish("CZI");
  }
}

TEST_CASE("postgres exchange: a Sync may fail itself", "[wire][postgres]") {
  Wire wire;
  wire.client("PBES PBES");
  wire.server("12C EZI");
  CHECK(wire.exchange.outstanding() == 4);
  wire.finish("12CZI");
}

TEST_CASE("postgres exchange: an error between the messages of a series", "[wire][postgres]") {
  Wire wire;
  wire.client("PH");
  wire.server("1E");
  CHECK(wire.exchange.skipping());
  CHECK_FALSE(wire.exchange.server_said_goodbye());
  wire.client("BES");
  CHECK(wire.exchange.outstanding() == 1);
  wire.finish("ZI");
}

TEST_CASE("postgres exchange: function calls", "[wire][postgres]") {
  Wire wire;
  wire.client("FF");
  wire.server("VZI");
  wire.finish("EZI");
  CHECK(wire.exchange.commands() == 2);
}

TEST_CASE("postgres exchange: what is answered", "[wire][postgres]") {
  Wire wire;
  SECTION("a query, at its end alone") {
    wire.client("Q");
    wire.server("TDC I");
    CHECK(wire.exchange.answered() == 0);
    wire.finish("ZI");
    CHECK(wire.exchange.answered() == 1);
  }
  SECTION("by an error") {
    wire.client("Q");
    wire.finish("EZI");
    CHECK(wire.exchange.answered() == 1);
  }
  SECTION("each Execute, before its Sync") {
    wire.client("PBDE BE S");
    wire.server("12TDC 2s");
    CHECK(wire.exchange.answered() == 2);
    wire.finish("ZI");
    CHECK(wire.exchange.answered() == 2);
  }
  SECTION("not what is ignored behind an error") {
    wire.client("PBE BE BE S");
    wire.server("12C 2E");
    CHECK(wire.exchange.answered() == 2);
    wire.finish("ZI");
    CHECK(wire.exchange.answered() == 2);
    CHECK(wire.exchange.commands() == 3);
  }
  SECTION("a function call, and a COPY with its data") {
    wire.client("FQ");
    wire.server("VZI G");
    CHECK(wire.exchange.answered() == 1);
    wire.client("dc");
    wire.finish("CZI");
    CHECK(wire.exchange.answered() == 2);
  }
}

TEST_CASE("postgres exchange: COPY FROM STDIN", "[wire][postgres]") {
  Wire wire;
  wire.client("Q");
  wire.server("G");
  CHECK(wire.exchange.copying_in());
  CHECK_FALSE(wire.exchange.copying_out());
  CHECK_FALSE(wire.exchange.idle());
  SECTION("to its end") {
    wire.client("dddc");
    wire.finish("CZI");
  }
  SECTION("Syncs and Flushes are read over") {
    wire.client("dSdHSc");
    wire.finish("CZI");
  }
  SECTION("the client gives up") {
    wire.client("df");
    wire.finish("EZI");
  }
  SECTION("it fails, and the client does not know yet") {
    wire.client("dd");
    wire.server("EZI");
    wire.client("dddc");
    CHECK(wire.exchange.idle());
  }
  SECTION("two in one text") {
    wire.client("dcdc");
    wire.server("CG");
    CHECK(wire.exchange.copying_in());
    wire.finish("CZI");
  }
  CHECK_FALSE(wire.exchange.copying_in());
}

TEST_CASE("postgres exchange: COPY FROM STDIN, all sent at once", "[wire][postgres]") {
  Wire wire;
  wire.client("Qddc Q PBE dc S");
  CHECK(wire.exchange.outstanding() == 8);
  SECTION("good") {
    wire.server("GCZI TCZI 12G");
    CHECK(wire.exchange.copying_in());
    wire.server("C");
    wire.finish("ZI");
  }
  SECTION("not begun") {
    wire.server("EZI TCZI 12E");
    wire.finish("ZI");
  }
  SECTION("failed") {
    wire.server("GEZI TCZI 12GE");
    wire.finish("ZI");
  }
}

TEST_CASE("postgres exchange: a Sync before COPY is known to want data", "[wire][postgres]") {
  Wire wire;
  wire.client("PBES");
  wire.server("12G");
  SECTION("is read over") {
    wire.client("dcH");
    wire.server("C");
    CHECK_FALSE(wire.exchange.idle());
    CHECK(wire.exchange.unsynced());
    wire.client("S");
    wire.finish("ZI");
  }
  SECTION("is read over with the next one known") {
    wire.client("dcS");
    wire.finish("CZI");
  }
  SECTION("is read over before a failure") {
    wire.server("E");
    CHECK_FALSE(wire.exchange.idle());
    wire.client("ddcS");
    wire.finish("ZI");
  }
  SECTION("is answered, as it failed before that") {
    wire.server("EZI");
    CHECK(wire.exchange.idle());
    wire.client("ddcS");
    wire.finish("ZI");
  }
  SECTION("is answered, and so is the next one") {
    wire.client("ddcS");
    wire.server("EZI");
    CHECK(wire.server("ZI") == Stop::None);
    CHECK(wire.exchange.idle());
  }
  CHECK(wire.because() == "");
}

TEST_CASE("postgres exchange: what follows shows that COPY had not begun to read",
          "[wire][postgres]") {
  Wire wire;
  wire.client("PBES Q");
  wire.server("12GE");
  CHECK(wire.exchange.outstanding() == 2);
  wire.server("ZI");
  wire.finish("TCZI");
}

TEST_CASE("postgres exchange: COPY TO STDOUT", "[wire][postgres]") {
  Wire wire;
  wire.client("Q");
  wire.server("Hdd");
  CHECK(wire.exchange.copying_out());
  CHECK_FALSE(wire.exchange.copying_in());
  CHECK_FALSE(wire.exchange.replicating());
  SECTION("to its end") {
    wire.server("c");
    CHECK_FALSE(wire.exchange.copying_out());
    wire.finish("CZI");
  }
  SECTION("failed") { wire.finish("EZI"); }
  CHECK_FALSE(wire.exchange.copying_out());
}

TEST_CASE("postgres exchange: replication", "[wire][postgres]") {
  Wire wire;
  wire.client("Q");
  wire.server("Wdd");
  CHECK(wire.exchange.replicating());
  wire.client("dd");
  wire.server("d");
  SECTION("the client ends it") {
    wire.client("c");
    wire.server("dc");
    CHECK(wire.exchange.replicating());
    wire.finish("TDCCZI");
  }
  SECTION("the server ends it") {
    wire.server("c");
    wire.client("c");
    wire.finish("CZI");
  }
  SECTION("it fails") { wire.finish("EZI"); }
  CHECK_FALSE(wire.exchange.replicating());
}

TEST_CASE("postgres exchange: a server that says goodbye", "[wire][postgres]") {
  Wire wire;
  wire.server("E");
  CHECK(wire.exchange.server_said_goodbye());
  CHECK(wire.exchange.last_word_is_error());
}

TEST_CASE("postgres exchange: a server that ends in the middle has said why", "[wire][postgres]") {
  Wire wire;
  wire.client("Q");
  wire.server("TD");
  CHECK_FALSE(wire.exchange.last_word_is_error());
  wire.server("EN");
  CHECK(wire.exchange.last_word_is_error());
  CHECK_FALSE(wire.exchange.server_said_goodbye());
  wire.server("ZI");
  CHECK_FALSE(wire.exchange.last_word_is_error());
}

TEST_CASE("postgres exchange: Terminate", "[wire][postgres]") {
  Wire wire;
  CHECK(wire.client("QX") == Stop::None);
  CHECK(wire.exchange.quit());
}

TEST_CASE("postgres exchange: intercepts what is asked for", "[wire][postgres]") {
  const MessageSet intercept = set_of("QP");
  const Buffer bytes = from_client("BE PS");
  Exchange exchange;
  Progress progress = exchange.client(bytes, intercept);
  CHECK(progress.stop == Stop::Intercept);
  CHECK(progress.consumed == 10);
  CHECK(exchange.outstanding() == 2);
  const Bytes rest = Bytes{bytes}.subspan(progress.consumed);
  SECTION("and lets it pass") {
    progress = exchange.client(rest, intercept, true);
    CHECK(progress.stop == Stop::None);
    CHECK(progress.consumed == 10);
  }
  SECTION("or takes it as forwarded") {
    exchange.forwarded(FrontendTag::Parse);
    CHECK(exchange.client(rest.subspan(5), intercept).stop == Stop::None);
  }
  CHECK(exchange.outstanding() == 4);
}

TEST_CASE("postgres exchange: the start of a message is left until its header is there",
          "[wire][postgres]") {
  const Buffer bytes = from_hex("51 00000006 6100");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    Exchange exchange;
    const Progress progress = exchange.client(Bytes{bytes}.first(size), {});
    CHECK(progress.stop == Stop::None);
    CHECK(progress.consumed == (size < kHeaderSize ? 0 : size));
    CHECK(exchange.client_at_border() == (size < kHeaderSize));
    CHECK(exchange.client(Bytes{bytes}.subspan(progress.consumed), {}).consumed ==
          bytes.size() - progress.consumed);
    CHECK(exchange.client_at_border());
  }
}

TEST_CASE("postgres exchange: what the proxy refused is discarded up to Sync", "[wire][postgres]") {
  const auto size =
      GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, std::size_t{100});
  const Buffer bytes =
      from_hex("42 00000006 6100 45 00000009 7000000000 51 00000006 6100 53 00000004");
  Exchange exchange;
  Buffer pending;
  std::size_t discarded = 0;
  Stop stop = Stop::None;
  for (Bytes left = bytes; !left.empty();) {
    const Bytes piece = left.first(std::min(size, left.size()));
    left = left.subspan(piece.size());
    append(pending, piece);
    const Progress progress = exchange.discard(pending);
    discarded += progress.consumed;
    stop = progress.stop;
    pending.erase(pending.begin(),
                  pending.begin() + static_cast<std::ptrdiff_t>(progress.consumed));
  }
  CHECK(stop == Stop::Intercept);
  CHECK(discarded == bytes.size() - 5);
  CHECK(exchange.outstanding() == 0);
  CHECK(exchange.client(pending, {}).stop == Stop::None);
  CHECK(exchange.outstanding() == 1);
}

TEST_CASE("postgres exchange: only so much is outstanding", "[wire][postgres]") {
  Exchange exchange;
  const Buffer bytes = from_client(std::string(Exchange::kMaxOutstanding, 'C') + "SHX");
  Progress progress = exchange.client(bytes, {});
  CHECK(progress.stop == Stop::Full);
  CHECK(progress.consumed == Exchange::kMaxOutstanding * kHeaderSize);
  CHECK(exchange.outstanding() == Exchange::kMaxOutstanding);
  CHECK(exchange.server(from_server("3")).stop == Stop::None);
  progress = exchange.client(Bytes{bytes}.subspan(progress.consumed), {});
  CHECK(progress.stop == Stop::None);
  CHECK(exchange.server(from_server(std::string(Exchange::kMaxOutstanding - 1, '3') + "ZI")).stop ==
        Stop::None);
  CHECK(exchange.idle());
}

TEST_CASE("postgres exchange: the client's faults", "[wire][postgres]") {
  const auto* const hex = GENERATE("51 00000003", "51 80000000", "51 40000005", "00 00000004",
                                   "70 00000004", "5a 00000005", "48 00000005", "53 00000005 00");
  Exchange exchange;
  CHECK(exchange.client(from_hex(hex), {}).stop == Stop::Malformed);
  CHECK(exchange.client_broke());
  CHECK(std::string(exchange.reason()) != "");
  CHECK(exchange.client(from_client("Q"), {}).stop == Stop::Malformed);
  CHECK(exchange.discard(from_client("Q")).stop == Stop::Malformed);
}

TEST_CASE("postgres exchange: the server's faults", "[wire][postgres]") {
  struct Fault {
    const char* client;
    const char* server;
  };
  const auto fault = GENERATE(values<Fault>(
      {{"", "ZI"}, {"", "C"},  {"", "d"},        {"Q", "1"},      {"Q", "ZX"},  {"Q", "d"},
       {"Q", "c"}, {"Q", "K"}, {"Q", "Gd"},      {"Q", "GG"},     {"Q", "Q"},   {"P", "2"},
       {"B", "1"}, {"D", "C"}, {"E", "ZI"},      {"S", "C"},      {"P", "G"},   {"S", "H"},
       {"F", "C"}, {"C", "n"}, {"QQ", "ZIZIZI"}, {"PS", "EZIZI"}, {"PH", "1ZI"}}));
  CAPTURE(fault.client, fault.server);
  Wire wire;
  wire.client(fault.client);
  CHECK(wire.server(fault.server) == Stop::Malformed);
  CHECK_FALSE(wire.exchange.client_broke());
  CHECK(wire.because() != "");
}

TEST_CASE("postgres exchange: the server's lengths", "[wire][postgres]") {
  const auto* const hex = GENERATE("44 00000003", "44 ffffffff", "5a 00000004", "5a 00000006 4949");
  Wire wire;
  wire.client("Q");
  CHECK(wire.exchange.server(from_hex(hex)).stop == Stop::Malformed);
}

TEST_CASE("postgres exchange: what is sound before a fault is consumed", "[wire][postgres]") {
  Wire wire;
  wire.client("Q");
  const Buffer bytes = from_server("TDC1");
  const Progress progress = wire.exchange.server(bytes);
  CHECK(progress.stop == Stop::Malformed);
  CHECK(progress.consumed == 15);
}

TEST_CASE("postgres exchange: nothing is put into a message", "[wire][postgres]") {
  Wire wire;
  wire.client("Q");
  const Buffer bytes = from_hex("44 00000008 00010203");
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const bool border = size == 0 || size == bytes.size();
    CHECK(wire.exchange.server_at_border() == border);
    if (size < bytes.size()) wire.exchange.server(Bytes{bytes}.subspan(size, 1));
  }
}

TEST_CASE("postgres exchange: messages of a gigabyte pass", "[wire][postgres]") {
  Exchange exchange;
  exchange.client(from_hex("51 3fffffff"), {});
  exchange.server(from_hex("44 3fffffff"));
  const Buffer piece(1 << 20);
  for (int i = 0; i < 1023; ++i) {
    CHECK(exchange.client(piece, {}).consumed == piece.size());
    CHECK(exchange.server(piece).consumed == piece.size());
  }
  CHECK_FALSE(exchange.client_at_border());
  CHECK_FALSE(exchange.server_at_border());
  CHECK(exchange.client(Bytes{piece}.first(piece.size() - 5), {}).stop == Stop::None);
  CHECK(exchange.server(Bytes{piece}.first(piece.size() - 5)).stop == Stop::None);
  CHECK(exchange.client_at_border());
  CHECK(exchange.server_at_border());
}
