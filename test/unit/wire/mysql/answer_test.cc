#include "wire/mysql/answer.hh"

#include "support/catch.hh"
#include "unit/wire/mysql/exchange_wire.hh"

using namespace perilune;
using namespace perilune::test;

TEST_CASE("mysql answer: commands with a single packet for an answer", "[wire][mysql]") {
  const auto what =
      GENERATE(Command::Ping, Command::InitDb, Command::CreateDb, Command::DropDb, Command::Refresh,
               Command::Shutdown, Command::ProcessKill, Command::Debug, Command::RegisterSlave,
               Command::StmtReset, Command::SetOption, Command::ResetConnection, Command::Sleep,
               Command::Time, Command::Daemon, Command::Multi, Command{0x70});
  for (const auto reply : {kOk, kErr, kEof, kOkEnd}) {
    Wire wire{kModern};
    REQUIRE(wire.send(what) == Stop::None);
    CHECK_FALSE(wire.exchange.idle());
    wire.answer({reply});
    CHECK(wire.exchange.idle());
  }
}

TEST_CASE("mysql answer: commands without an answer", "[wire][mysql]") {
  const auto what = GENERATE(Command::StmtClose, Command::StmtSendLongData, Command::Quit);
  Wire wire{kModern};
  REQUIRE(wire.send(what, "....") == Stop::None);
  CHECK(wire.exchange.idle());
  CHECK(wire.exchange.quit() == (what == Command::Quit));
}

TEST_CASE("mysql answer: statistics begin with any byte", "[wire][mysql]") {
  for (const auto text : {"55 70", "00", "fb 00", "fe 00 00 0a 00", "ff ff ff", "0a"}) {
    Wire wire{kModern};
    wire.send(Command::Statistics);
    wire.answer({text});
  }
}

TEST_CASE("mysql answer: result sets, classic and modern", "[wire][mysql]") {
  const auto what = GENERATE(Command::Query, Command::StmtExecute, Command::ProcessInfo);
  Wire classic{kClassic};
  classic.send(what);
  classic.answer({"02", kDefinition, kDefinition, kEof, kRow, kNullRow, kEof});
  classic.send(what);
  classic.answer({"01", kDefinition, kEof, kEof});
  Wire modern{kModern};
  modern.send(what);
  modern.answer({"02", kDefinition, kDefinition, kRow, kNullRow, kOkEnd});
  modern.send(what);
  modern.answer({"01", kDefinition, kOkEnd});
  CHECK(modern.exchange.idle());
}

TEST_CASE("mysql answer: an error ends an answer anywhere", "[wire][mysql]") {
  for (const std::vector<std::string_view>& answer : {std::vector<std::string_view>{kErr},
                                                      {"02", kErr},
                                                      {"02", kDefinition, kErr},
                                                      {"01", kDefinition, kErr},
                                                      {"01", kDefinition, kEof, kErr},
                                                      {"01", kDefinition, kEof, kRow, kErr},
                                                      {kOkMore, kErr}}) {
    Wire wire{kClassic};
    wire.send(Command::Query);
    wire.answer(answer);
    CHECK(wire.exchange.idle());
  }
}

TEST_CASE("mysql answer: several results", "[wire][mysql]") {
  Wire modern{kModern};
  modern.send(Command::Query);
  modern.answer({"01", kDefinition, kRow, kOkEndMore, kOkMore, "01", kDefinition, kOkEndMore, kOk});
  Wire classic{kClassic};
  classic.send(Command::StmtExecute);
  classic.answer({"01", kDefinition, kEofMore, kRow, kEofMore, kOkMore, "01", kDefinition, kEof,
                  kEofMore, kErr});
}

TEST_CASE("mysql answer: OUT parameters of a prepared call, classic and modern", "[wire][mysql]") {
  Wire classic{kClassic};
  classic.send(Command::StmtExecute);
  // As MySQL 9.7 sends it: SERVER_MORE_RESULTS_EXISTS ahead of the values alone.
  classic.answer({"01", kDefinition, kEofMore, kRow, kEofMore, "01", kDefinition, "fe 00 00 2a 10",
                  "00 00 01", "fe 00 00 22 00", kOk});
  CHECK(classic.exchange.status() == 0x02);
  Wire modern{kModern};
  modern.send(Command::StmtExecute);
  modern.answer({"01", kDefinition, "00 00 01", "fe 00 00 2a 10 00 00", kOk});
}

TEST_CASE("mysql answer: an answer as long as a row is no end without DEPRECATE_EOF",
          "[wire][mysql]") {
  Wire wire{kClassic};
  wire.send(Command::Query);
  // A row that begins with an eight-byte length has at least nine bytes.
  wire.answer({"01", kDefinition, kEof, "fe 00 00 00 01 00 00 00 00", kEof});
}

TEST_CASE("mysql answer: progress reports end nothing", "[wire][mysql]") {
  Wire wire{kModern | capability::kMariadbProgress};
  wire.send(Command::Query);
  wire.answer({kProgress, kProgress, kOkMore, kProgress, "01", kDefinition, kProgress, kRow,
               kProgress, kOkEnd});
}

TEST_CASE("mysql answer: cursors", "[wire][mysql]") {
  Wire classic{kClassic};
  classic.send(Command::StmtExecute);
  classic.answer({"01", kDefinition, "fe 00 00 42 00"});
  classic.send(Command::StmtFetch);
  classic.answer({"00 00 01", "00 00 02", "fe 00 00 42 00"});
  classic.send(Command::StmtFetch);
  classic.answer({"fe 00 00 82 00"});
  Wire modern{kModern};
  modern.send(Command::StmtExecute);
  modern.answer({"01", kDefinition, "fe 00 00 42 00 00 00"});
  modern.send(Command::StmtFetch);
  modern.answer({"00 00 01", "fe 00 00 82 00 00 00"});
  modern.send(Command::StmtFetch);
  modern.answer({kErr});
  CHECK(modern.exchange.status() == 0x82);
}

TEST_CASE("mysql answer: preparing a statement", "[wire][mysql]") {
  struct Case {
    std::uint64_t capabilities;
    std::vector<std::string_view> answer;
  };
  const auto none = "00 01000000 0000 0000 00 0000";
  const auto columns = "00 01000000 0200 0000 00 0000";
  const auto params = "00 01000000 0000 0200 00 0000";
  const auto both = "00 01000000 0100 0200 00 0000";
  const auto d = kDefinition;
  for (const Case& expected :
       {Case{kModern, {none}}, Case{kClassic, {none}}, Case{kModern, {columns, d, d}},
        Case{kClassic, {columns, d, d, kEof}}, Case{kModern, {params, d, d}},
        Case{kClassic, {params, d, d, kEof}}, Case{kModern, {both, d, d, d}},
        Case{kClassic, {both, d, d, kEof, d, kEof}}, Case{kClassic, {kErr}},
        Case{kModern, {both, d, kErr}}}) {
    Wire wire{expected.capabilities};
    wire.send(Command::StmtPrepare);
    wire.answer(expected.answer);
    CHECK(wire.exchange.idle());
  }
}

TEST_CASE("mysql answer: optional metadata", "[wire][mysql]") {
  const std::uint64_t optional = capability::kOptionalResultsetMetadata;
  const auto d = kDefinition;
  Wire modern{kModern | optional};
  modern.send(Command::Query);
  modern.answer({"01 01", d, kRow, kOkEnd});
  modern.send(Command::Query);
  modern.answer({"01 00", kRow, kOkEnd});
  modern.send(Command::StmtPrepare);
  modern.answer({"00 01000000 0100 0100 00 0000 01", d, d});
  modern.send(Command::StmtPrepare);
  modern.answer({"00 01000000 0100 0100 00 0000 00"});
  // Without DEPRECATE_EOF the ends of the definitions come even if these do not.
  Wire classic{kClassic | optional};
  classic.send(Command::Query);
  classic.answer({"01 00", kEof, kRow, kEof});
  classic.send(Command::StmtPrepare);
  classic.answer({"00 01000000 0100 0100 00 0000 00", kEof, kEof});
}

TEST_CASE("mysql answer: metadata that the client has kept", "[wire][mysql]") {
  Wire wire{kModern | capability::kMariadbCacheMetadata};
  wire.send(Command::StmtExecute);
  wire.answer({"02 01", kDefinition, kDefinition, kRow, kOkEnd});
  wire.send(Command::StmtExecute);
  wire.answer({"02 00", kRow, kOkEnd});
  // The answer to COM_STMT_PREPARE has no such flag.
  wire.send(Command::StmtPrepare);
  wire.answer({"00 01000000 0100 0000 00 0000", kDefinition});
}

TEST_CASE("mysql answer: bulk execution", "[wire][mysql]") {
  Wire wire{kModern};
  wire.send(Command::StmtBulkExecute);
  wire.answer({kOk});
  wire.send(Command::StmtBulkExecute);
  wire.answer({"02", kDefinition, kDefinition, "00 00 01 02", kOkEnd});
}

TEST_CASE("mysql answer: list of fields", "[wire][mysql]") {
  Wire modern{kModern};
  modern.send(Command::FieldList);
  modern.answer({kDefinition, kDefinition, kOkEnd});
  modern.send(Command::FieldList);
  modern.answer({kErr});
  Wire classic{kClassic};
  classic.send(Command::FieldList);
  classic.answer({kDefinition, kEof});
}

TEST_CASE("mysql answer: only a statement's result can be followed by another", "[wire][mysql]") {
  const auto what = GENERATE(Command::StmtFetch, Command::FieldList);
  Wire wire{kModern};
  wire.send(what);
  wire.answer({kDefinition, kOkEndMore});
}

TEST_CASE("mysql answer: only COM_STMT_EXECUTE leaves its rows to a cursor", "[wire][mysql]") {
  Wire wire{kClassic};
  wire.send(Command::Query);
  wire.answer({"01", kDefinition, "fe 00 00 42 00", kRow, kEof});
}

TEST_CASE("mysql answer: a binary log ends in an EOF packet whatever was agreed", "[wire][mysql]") {
  Wire wire{kModern};
  wire.send(Command::BinlogDump);
  wire.answer({"00 01", "fe 00 00 00 00 00 00 00 00", kEof});
}
