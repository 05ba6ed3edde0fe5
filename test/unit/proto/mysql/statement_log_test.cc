#include "proto/mysql/statement_log.hh"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "event/loop.hh"
#include "log/shown.hh"
#include "support/catch.hh"
#include "support/fake_hooks.hh"
#include "support/lone_session.hh"
#include "support/memory_log.hh"
#include "unit/wire/mysql/exchange_wire.hh"

using namespace perilune;
using namespace perilune::test;
using perilune::proto::mysql::StatementLog;

namespace {

// What records say, but for the time.
struct Seen {
  std::string kind;
  std::string sql;
  std::uint64_t size = 0;
  std::string original;
  std::string parameters;
  bool cut = false;
  std::optional<std::uint64_t> rows;
  std::optional<std::uint64_t> affected;
  unsigned error = 0;
  bool answered = true;
  bool operator==(const Seen&) const = default;
};

Seen seen(const log::Record& record) {
  Seen result;
  result.kind = record.kind;
  result.sql = record.sql;
  result.size = record.sql_size;
  result.original = record.original;
  if (!record.parameters.empty()) {
    append_parameters(result.parameters, record, {}, result.cut);
  }
  result.cut = record.parameters_cut;
  result.rows = record.rows;
  result.affected = record.affected;
  result.error = record.error ? record.error->code : 0;
  result.answered = record.answered;
  return result;
}

// A session with a log, and the exchange that the log listens to.
struct Stage : Wire {
  explicit Stage(std::uint64_t capabilities = kClassic, std::uint64_t max_statement = 64 << 10)
      : Wire(capabilities), memory(options(max_statement)) {
    auto script =
        std::make_unique<FakeHooks>([](const session::Login&) { return session::Serve{}; });
    script->log = [this](const log::Record& record) {
      records.push_back(seen(record));
      in_order = in_order && record.first <= record.duration;
      return session::LogList{};
    };
    hooks = script.get();
    session->set_hooks(std::move(script));
    session->logs = log_list(memory);
    log = std::make_unique<StatementLog>(*session, 0);
    exchange.set_observer(log.get());
  }

  static log::QueryLogOptions options(std::uint64_t max_statement) {
    log::QueryLogOptions options;
    options.max_statement = max_statement;
    return options;
  }

  // Into the log itself.
  void without_on_log() { hooks->log = {}; }
  Seen only() {
    REQUIRE(records.size() == 1);
    return std::exchange(records, {}).front();
  }
  void prepare(std::string_view text, std::string_view answer) {
    send(Command::StmtPrepare, text);
    REQUIRE(server(answer) == Stop::None);
    REQUIRE(server(kDefinition) == Stop::None);
    REQUIRE(server(kEof) == Stop::None);
  }
  void send_hex(Command what, std::string_view hex) { send(what, as_text(from_hex(hex))); }

  event::Loop loop;
  LoneSession session{loop};
  MemoryLog memory;
  FakeHooks* hooks = nullptr;
  std::vector<Seen> records;
  bool in_order = true;
  std::unique_ptr<StatementLog> log;
};

constexpr auto kPrepared7 = "00 07 00 00 00 00 00 01 00 00 00 00";  // one parameter
constexpr auto kPrepared8 = "00 08 00 00 00 00 00 01 00 00 00 00";
// Of the statement 7: the value 5 as LONGLONG, with its type and without.
constexpr auto kExecute7 = "07 00 00 00 00 01 00 00 00 00 01 08 00 05 00 00 00 00 00 00 00";
constexpr auto kExecute7Again = "07 00 00 00 00 01 00 00 00 00 00 06 00 00 00 00 00 00 00";

}  // namespace

TEST_CASE("statement log: rows, affected rows and errors", "[proto][mysql]") {
  Stage stage;
  stage.send(Command::Query, "SELECT 1");
  stage.answer({"01", kDefinition, kEof, kRow, kNullRow, kEof});
  Seen seen = stage.only();
  CHECK(seen.kind == "query");
  CHECK(seen.sql == "SELECT 1");
  CHECK(seen.size == 8);
  CHECK(seen.rows == 2U);
  CHECK_FALSE(seen.affected);
  stage.send(Command::Query, "UPDATE t");
  stage.answer({"00 05 00 02 00 00 00"});
  seen = stage.only();
  CHECK(seen.affected == 5U);
  CHECK_FALSE(seen.rows);
  stage.send(Command::Query, "SELEC");
  stage.answer({kErr});
  seen = stage.only();
  CHECK(seen.error == 1045);
  CHECK_FALSE(seen.affected);
  stage.send(Command::Query, "SELECT none");
  stage.answer({"01", kDefinition, kEof, kEof});
  CHECK(stage.only().rows == 0U);
  CHECK(stage.in_order);
}

TEST_CASE("statement log: several results are one record", "[proto][mysql]") {
  Stage stage;
  stage.send(Command::Query, "CALL p()");
  stage.answer({"01", kDefinition, kEof, kRow, kEofMore, "01", kDefinition, kEof, kRow, kRow,
                kEofMore, "00 04 00 02 00 00 00"});
  const Seen seen = stage.only();
  CHECK(seen.rows == 3U);
  CHECK(seen.affected == 4U);
}

TEST_CASE("statement log: pipelined statements keep their order and their answers",
          "[proto][mysql]") {
  Stage stage;
  for (const char* text : {"a", "b", "c"}) stage.send(Command::Query, text);
  stage.answer({kOk});
  stage.sequence = 1;
  stage.answer({kErr});
  stage.sequence = 1;
  stage.answer({"00 02 00 02 00 00 00"});
  REQUIRE(stage.records.size() == 3);
  CHECK(stage.records[0].sql == "a");
  CHECK(stage.records[1].error == 1045);
  CHECK(stage.records[2].sql == "c");
  CHECK(stage.records[2].affected == 2U);
}

TEST_CASE("statement log: what is no statement is not logged", "[proto][mysql]") {
  Stage stage;
  stage.send(Command::Ping);
  stage.answer({kOk});
  CHECK(stage.records.empty());
  stage.send(Command::InitDb, "shop");
  stage.answer({kOk});
  CHECK(stage.only().kind == "command");
}

TEST_CASE("statement log: executions have the text that was prepared, by number",
          "[proto][mysql]") {
  Stage stage;
  stage.prepare("SELECT ?", kPrepared7);
  CHECK(stage.only().kind == "prepare");
  stage.send_hex(Command::StmtExecute, kExecute7);
  stage.answer({kOk});
  Seen seen = stage.only();
  CHECK(seen.kind == "execute");
  CHECK(seen.sql == "SELECT ?");
  CHECK(seen.parameters == "[5]");
  stage.prepare("SELECT 8, ?", kPrepared8);
  stage.send_hex(Command::StmtClose, "07 00 00 00");
  stage.prepare("SELECT 9, ?", kPrepared7);
  stage.records.clear();
  stage.send_hex(Command::StmtExecute, kExecute7);
  stage.answer({kOk});
  CHECK(stage.only().sql == "SELECT 9, ?");
  stage.send_hex(Command::StmtExecute, kExecute7Again);
  stage.answer({kOk});
  CHECK(stage.only().parameters == "[6]");
}

TEST_CASE("statement log: the one prepared last may be executed before its answer",
          "[proto][mysql]") {
  Stage stage;
  stage.send(Command::StmtPrepare, "SELECT ?");
  stage.send_hex(Command::StmtExecute,
                 "ff ff ff ff 00 01 00 00 00 00 01 08 00 05 00 00 00 00 00 00 00");
  stage.sequence = 1;
  for (const auto* payload : {kPrepared7, kDefinition, kEof})
    REQUIRE(stage.server(payload) == Stop::None);
  stage.sequence = 1;
  stage.answer({kOk});
  REQUIRE(stage.records.size() == 2);
  CHECK(stage.records[1].sql == "SELECT ?");
  CHECK(stage.records[1].parameters == "[5]");
}

TEST_CASE("statement log: what was prepared before, or was refused, is unknown", "[proto][mysql]") {
  Stage stage;
  stage.send_hex(Command::StmtExecute, kExecute7);
  stage.answer({kOk});
  CHECK(stage.only().sql == "(prepared before statements were logged)");
  stage.prepare("SELECT ?", kPrepared7);
  stage.send(Command::ResetConnection);
  stage.answer({kOk});
  stage.records.clear();
  stage.send_hex(Command::StmtExecute, kExecute7);
  stage.answer({kErr});
  CHECK(stage.only().sql == "(prepared before statements were logged)");
}

TEST_CASE("statement log: long data belongs to the next execution, unless it is reset",
          "[proto][mysql]") {
  constexpr auto kLong = "07 00 00 00 00 00 61 62";
  constexpr auto kExecute = "07 00 00 00 00 01 00 00 00 00 01 fc 00";
  Stage stage;
  stage.prepare("SELECT ?", kPrepared7);
  stage.send_hex(Command::StmtSendLongData, kLong);
  stage.send_hex(Command::StmtSendLongData, "07 00 00 00 00 00 63");
  stage.records.clear();
  stage.send_hex(Command::StmtExecute, kExecute);
  stage.answer({kOk});
  CHECK(stage.only().parameters == R"(["abc"])");
  stage.send_hex(Command::StmtSendLongData, kLong);
  stage.send_hex(Command::StmtReset, "07 00 00 00");
  stage.answer({kOk});
  CHECK(stage.records.empty());
  stage.send_hex(Command::StmtExecute, "07 00 00 00 00 01 00 00 00 00 01 fc 00 01 78");
  stage.answer({kOk});
  CHECK(stage.only().parameters == R"(["x"])");
}

TEST_CASE("statement log: bulk has a list for each row", "[proto][mysql]") {
  Stage stage;
  stage.prepare("INSERT INTO t VALUES (?)", kPrepared7);
  stage.records.clear();
  // Two rows: 5 and NULL, as TINY.
  stage.send_hex(Command::StmtBulkExecute, "07 00 00 00 40 00 01 00 00 05 01");
  stage.answer({"00 02 00 02 00 00 00"});
  const Seen seen = stage.only();
  CHECK(seen.kind == "bulk");
  CHECK(seen.parameters == "[[5], [null]]");
  CHECK(seen.affected == 2U);
}

TEST_CASE("statement log: a large statement costs no more than is shown of it", "[proto][mysql]") {
  Stage stage{kClassic, 1000};
  stage.without_on_log();
  const std::string text = "SELECT '" + std::string(200 << 10, 'x') + "'";
  stage.send(Command::Query, text);
  stage.answer({kOk});
  const std::vector<std::string> lines = stage.memory.take();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].size() < 1200);
  CHECK(lines[0].find("\tbytes=" + std::to_string(text.size())) != std::string::npos);
}

TEST_CASE("statement log: statements without answers fill it, and answers empty it",
          "[proto][mysql]") {
  Stage stage;
  const std::string text(64 << 10, 'x');
  int sent = 0;
  for (; !stage.log->is_full() && sent < 100; ++sent) stage.send(Command::Query, text);
  CHECK(sent == 16);
  stage.sequence = 1;
  stage.answer({kOk});
  CHECK_FALSE(stage.log->is_full());
}

TEST_CASE("statement log: without an answer at the end, the record says so", "[proto][mysql]") {
  Stage stage;
  stage.send(Command::Query, "one");
  stage.send(Command::Query, "two");
  stage.sequence = 1;
  stage.answer({kOk});
  stage.exchange.set_observer(nullptr);
  stage.log.reset();
  REQUIRE(stage.records.size() == 2);
  CHECK(stage.records[0].answered);
  CHECK(stage.records[1].sql == "two");
  CHECK_FALSE(stage.records[1].answered);
}

TEST_CASE("statement log: an answer before the command's end does not shift the others",
          "[proto][mysql]") {
  Stage stage;
  const Buffer whole = command(Command::Query, "a long statement");
  CHECK(stage.client(Bytes{whole}.first(12)) == Stop::None);
  stage.sequence = 1;
  stage.answer({kErr});
  CHECK(stage.client(Bytes{whole}.subspan(12)) == Stop::None);
  stage.send(Command::Query, "next");
  stage.answer({"00 03 00 02 00 00 00"});
  REQUIRE(stage.records.size() == 2);
  CHECK(stage.records[0].error == 1045);
  CHECK(stage.records[1].sql == "next");
  CHECK(stage.records[1].affected == 3U);
}

TEST_CASE("statement log: what the script sends instead, or answers, is logged", "[proto][mysql]") {
  Stage stage;
  proto::mysql::CommandStart start;
  append(start.bytes, as_bytes(std::string_view("\x03the client's")));
  start.size = start.bytes.size();
  stage.log->replaced(start, as_bytes(std::string_view("\x03the script's")));
  stage.exchange.forwarded(Command::Query, 0);
  stage.sequence = 1;
  stage.answer({kOk});
  Seen seen = stage.only();
  CHECK(seen.sql == "the script's");
  CHECK(seen.original == "the client's");
  proto::mysql::OwnAnswers::Outcome outcome;
  outcome.rows = 3;
  stage.log->answered_here(start, outcome);
  seen = stage.only();
  CHECK(seen.sql == "the client's");
  CHECK(seen.rows == 3U);
  CHECK(seen.original.empty());
}

TEST_CASE("statement log: a log that begins in the middle logs what begins then",
          "[proto][mysql]") {
  Stage stage;
  stage.exchange.set_observer(nullptr);
  stage.send(Command::Query, "before");
  const Buffer half = command(Command::Query, "half of it before");
  CHECK(stage.client(Bytes{half}.first(10)) == Stop::None);
  stage.log = std::make_unique<StatementLog>(*stage.session, stage.exchange.outstanding());
  stage.exchange.set_observer(stage.log.get());
  CHECK(stage.client(Bytes{half}.subspan(10)) == Stop::None);
  stage.send(Command::Query, "behind");
  for (int i = 0; i < 2; ++i) {
    stage.sequence = 1;
    stage.answer({kOk});
  }
  CHECK(stage.records.empty());
  stage.sequence = 1;
  stage.answer({"00 03 00 02 00 00 00"});
  const Seen seen = stage.only();
  CHECK(seen.sql == "behind");
  CHECK(seen.affected == 3U);
}

// --- recorded sessions

namespace {

// In pieces of so many bytes.
class Recording {
 public:
  Recording(const RecordedSession& session, std::size_t piece)
      : piece_(piece), stage_(session.capabilities) {
    for (const RecordedCommand& command : session.commands) {
      for (const Part& part : command.parts) play(part);
    }
  }

  const std::vector<Seen>& records() const { return stage_.records; }

 private:
  void play(const Part& part) {
    const std::size_t step = piece_ > 0 ? piece_ : part.bytes.size();
    Buffer waiting;
    for (std::size_t at = 0; at < part.bytes.size(); at += step) {
      const Bytes rest = Bytes{part.bytes}.subspan(at);
      append(waiting, rest.first(std::min(step, rest.size())));
      const auto progress =
          part.from_client ? stage_.exchange.client(waiting, {}) : stage_.exchange.server(waiting);
      REQUIRE(progress.stop == Stop::None);
      waiting.erase(waiting.begin(),
                    waiting.begin() + static_cast<std::ptrdiff_t>(progress.consumed));
    }
    REQUIRE(waiting.empty());
  }

  std::size_t piece_;
  Stage stage_;
};

}  // namespace

TEST_CASE("statement log: recorded sessions give the same records in any pieces",
          "[proto][mysql]") {
  std::size_t records = 0;
  std::size_t with_parameters = 0;
  std::size_t with_errors = 0;
  for (const RecordedSession& session : recorded_sessions()) {
    CAPTURE(session.name);
    const std::vector<Seen> whole = Recording{session, 0}.records();
    for (const std::size_t piece : {1, 2, 3, 5, 7, 11, 64}) {
      CAPTURE(piece);
      const bool same = Recording{session, piece}.records() == whole;
      CHECK(same);
    }
    for (const Seen& seen : whole) {
      ++records;
      with_errors += seen.error != 0;
      with_parameters += !seen.parameters.empty();
      const bool is_unknown = seen.sql.starts_with('(') && seen.error == 0;
      CHECK_FALSE(is_unknown);
    }
  }
  CHECK(records > 100);
  CHECK(with_parameters > 10);
  CHECK(with_errors > 5);
}
