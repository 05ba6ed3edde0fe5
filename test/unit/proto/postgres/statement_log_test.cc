#include "proto/postgres/statement_log.hh"

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
#include "unit/wire/postgres/exchange_wire.hh"
#include "unit/wire/postgres/session_file.hh"
#include "wire/builder.hh"
#include "wire/postgres/authentication.hh"
#include "wire/postgres/notice.hh"
#include "wire/postgres/result_set.hh"
#include "wire/postgres/statements.hh"

using namespace perilune;
using namespace perilune::test;
using namespace perilune::test::postgres;
using proto::postgres::MessageStart;
using proto::postgres::OwnAnswers;
using proto::postgres::StatementLog;
using Kind = RecordedStep::Kind;

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
  std::string error;
  bool answered = true;
  bool operator==(const Seen&) const = default;
};

Seen seen(const log::Record& record) {
  Seen result;
  result.kind = record.kind;
  result.sql = record.sql;
  result.size = record.sql_size;
  result.original = record.original;
  if (!record.parameters.empty()) append_parameters(result.parameters, record, {}, result.cut);
  result.cut = record.parameters_cut;
  result.rows = record.rows;
  result.affected = record.affected;
  if (record.error) result.error = record.error->sqlstate;
  result.answered = record.answered;
  return result;
}

Buffer query(std::string_view text) {
  Buffer out;
  append_query(out, text);
  return out;
}

Buffer parse(std::string_view name, std::string_view text, std::vector<std::uint32_t> types = {}) {
  Buffer codes;
  for (const std::uint32_t type : types) wire::Builder{codes}.be32(type);
  Buffer out;
  append_parse(out, {name, text, static_cast<std::uint16_t>(types.size()), codes});
  return out;
}

struct Argument {
  std::optional<std::string> bytes;
  bool is_binary = false;
};

Buffer bind(std::string_view portal, std::string_view statement,
            std::vector<Argument> values = {}) {
  Buffer out;
  MessageWriter message{out, FrontendTag::Bind};
  wire::Builder to{out};
  const auto count = static_cast<std::uint16_t>(values.size());
  to.text_with_nul(portal).text_with_nul(statement).be16(count);
  for (const Argument& value : values) to.be16(value.is_binary ? 1 : 0);
  to.be16(count);
  for (const Argument& value : values) {
    to.be32(value.bytes ? static_cast<std::uint32_t>(value.bytes->size()) : 0xFFFFFFFFU);
    if (value.bytes) to.bytes(as_bytes(*value.bytes));
  }
  to.be16(0);
  message.end();
  return out;
}

Buffer execute(std::string_view portal = {}) {
  Buffer out;
  append_execute(out, {portal, 0});
  return out;
}

Buffer named(FrontendTag tag, Target target, std::string_view name) {
  Buffer out;
  append_named(out, tag, {target, name});
  return out;
}

Buffer complete(std::string_view tag) {
  Buffer out;
  append_command_complete(out, tag);
  return out;
}

Buffer failure(std::string_view state = "42601") {
  Buffer out;
  append_error(out, {Severity::Error, state, "no"});
  return out;
}

// A session with a log, and the exchange that the log listens to.
struct Stage {
  Stage() : memory(options()) {
    auto script =
        std::make_unique<FakeHooks>([](const session::Login&) { return session::Serve{}; });
    script->log = [this](const log::Record& record) {
      records.push_back(seen(record));
      in_order = in_order && record.first <= record.duration;
      return session::LogList{};
    };
    session->set_hooks(std::move(script));
    session->logs = log_list(memory);
    log = std::make_unique<StatementLog>(*session, 0);
    exchange.set_observer(log.get());
  }

  static log::QueryLogOptions options() {
    log::QueryLogOptions options;
    options.parameters = true;
    return options;
  }

  void client(const Buffer& bytes, std::size_t piece = 1 << 20) {
    for (Bytes rest{bytes}; !rest.empty();) {
      const Progress progress = exchange.client(rest.first(std::min(piece, rest.size())), {});
      REQUIRE(progress.stop == Stop::None);
      if (progress.consumed == 0) piece = std::max<std::size_t>(piece, kHeaderSize);
      rest = rest.subspan(progress.consumed);
    }
  }
  void server(const Buffer& bytes, std::size_t piece = 1 << 20) {
    for (Bytes rest{bytes}; !rest.empty();) {
      const Progress progress = exchange.server(rest.first(std::min(piece, rest.size())));
      REQUIRE(progress.stop == Stop::None);
      rest = rest.subspan(progress.consumed);
    }
  }
  void server(std::string_view tags) { server(from_server(tags)); }
  void sync() { client(from_client("S")); }

  Seen only() {
    REQUIRE(records.size() == 1);
    return std::exchange(records, {}).front();
  }

  event::Loop loop;
  LoneSession session{loop};
  MemoryLog memory;
  Exchange exchange;
  std::vector<Seen> records;
  bool in_order = true;
  std::unique_ptr<StatementLog> log;
};

std::vector<Seen> replayed(const RecordedSession& session, std::size_t piece) {
  Stage stage;
  for (const RecordedStep& step : session.commands) {
    if (step.kind == Kind::Client) stage.client(step.bytes, piece);
    if (step.kind == Kind::Server) stage.server(step.bytes, piece);
  }
  CHECK(stage.in_order);
  stage.log.reset();
  return stage.records;
}

}  // namespace

TEST_CASE("statement log: simple queries", "[proto][postgres]") {
  Stage stage;
  stage.client(query("SELECT 1"));
  stage.server("TDD");
  stage.server(complete("SELECT 2"));
  stage.server("ZI");
  Seen seen = stage.only();
  CHECK(seen.kind == "query");
  CHECK(seen.sql == "SELECT 1");
  CHECK(seen.size == 8);
  CHECK(seen.rows == 2U);
  CHECK_FALSE(seen.affected);

  stage.client(query("INSERT …; UPDATE …"));
  stage.server(complete("INSERT 0 2"));
  stage.server(complete("UPDATE 3"));
  stage.server("ZI");
  seen = stage.only();
  CHECK(seen.affected == 5U);
  CHECK_FALSE(seen.rows);

  stage.client(query("SELEC"));
  stage.server(failure());
  stage.server("ZI");
  CHECK(stage.only().error == "42601");

  stage.client(query("CREATE TABLE t AS SELECT 1"));
  stage.server(complete("SELECT 4"));
  stage.server("ZI");
  CHECK(stage.only().affected == 4U);
  CHECK(stage.in_order);
}

TEST_CASE("statement log: executions have the text they were prepared from", "[proto][postgres]") {
  Stage stage;
  stage.client(parse("s", "SELECT $1, $2, $3", {23, 25, 0}));
  stage.client(bind("p", "s", {{std::string("\0\0\0\x05", 4), true}, {"text"}, {}}));
  stage.client(execute("p"));
  stage.sync();
  stage.server("12D");
  stage.server(complete("SELECT 1"));
  stage.server("ZI");
  REQUIRE(stage.records.size() == 2);
  CHECK(stage.records[0].kind == "prepare");
  CHECK(stage.records[0].parameters.empty());
  CHECK(stage.records[1].kind == "execute");
  CHECK(stage.records[1].sql == "SELECT $1, $2, $3");
  CHECK(stage.records[1].parameters == "[5, \"text\", null]");
  CHECK(stage.records[1].rows == 1U);
}

TEST_CASE("statement log: types that only the server knows", "[proto][postgres]") {
  Stage stage;
  stage.client(parse("s", "SELECT $1"));
  stage.client(named(FrontendTag::Describe, Target::Statement, "s"));
  stage.sync();
  Buffer description;
  {
    MessageWriter message{description, BackendTag::ParameterDescription};
    wire::Builder{description}.be16(1).be32(20);
    message.end();
  }
  stage.server("1");
  stage.server(description, 1);
  stage.server("nZI");
  stage.records.clear();
  stage.client(bind("", "s", {{std::string(7, '\0') + "\x07", true}}));
  stage.client(execute());
  stage.sync();
  stage.server("2C ZI");
  CHECK(stage.only().parameters == "[7]");
}

TEST_CASE("statement log: names are made, closed and made again", "[proto][postgres]") {
  Stage stage;
  const auto run = [&stage] {
    stage.client(bind("", "s"));
    stage.client(execute());
    stage.sync();
    stage.server("2C ZI");
    const std::string sql = stage.records.back().sql;
    stage.records.clear();
    return sql;
  };
  stage.client(parse("s", "first"));
  stage.server("1");
  CHECK(run() == "first");
  stage.client(named(FrontendTag::Close, Target::Statement, "s"));
  stage.client(parse("s", "second"));
  stage.server("31");
  CHECK(run() == "second");

  // In a series whose first message fails nothing behind it has happened.
  stage.client(parse("t", "wrong"));
  stage.client(named(FrontendTag::Close, Target::Statement, "s"));
  stage.client(parse("s", "third"));
  stage.client(bind("", "s"));
  stage.client(execute());
  stage.sync();
  stage.server(failure());
  stage.server("ZI");
  const Seen seen = stage.only();
  CHECK(seen.kind == "prepare");
  CHECK(seen.error == "42601");
  CHECK(run() == "second");

  // A simple query ends the unnamed one alone.
  stage.client(parse("", "unnamed"));
  stage.client(query("x"));
  stage.server("1C ZI");
  CHECK(run() == "second");
  stage.client(bind("", ""));
  stage.client(execute());
  stage.sync();
  stage.server(failure("26000"));
  stage.server("ZI");
  const Seen unknown = stage.only();
  CHECK(unknown.kind == "execute");
  CHECK(unknown.sql.starts_with("(prepared before"));
  CHECK(unknown.error == "26000");
}

TEST_CASE("statement log: an error of Bind is that of its execution", "[proto][postgres]") {
  Stage stage;
  stage.client(parse("", "SELECT $1::int"));
  stage.client(bind("", "", {{"x"}}));
  stage.client(execute());
  stage.sync();
  stage.server("1");
  stage.server(failure("22P02"));
  stage.server("ZI");
  REQUIRE(stage.records.size() == 2);
  CHECK(stage.records[1].kind == "execute");
  CHECK(stage.records[1].error == "22P02");
  CHECK(stage.records[1].parameters == "[\"x\"]");
}

TEST_CASE("statement log: pipelines of transactions keep their portals", "[proto][postgres]") {
  Stage stage;
  for (const char* text : {"a", "b", "c"}) {
    stage.client(parse("", text));
    stage.client(bind("", ""));
    if (std::string_view(text) == "c") stage.server("ZI");
    stage.client(execute());
    stage.sync();
    if (std::string_view(text) == "b") stage.server("12C ZI 12C");
  }
  stage.server("12C ZI");
  std::vector<std::string> executed;
  for (const Seen& seen : stage.records) {
    if (seen.kind == "execute") executed.push_back(seen.sql);
  }
  CHECK(executed == std::vector<std::string>{"a", "b", "c"});
}

TEST_CASE("statement log: COPY, and statements without an answer", "[proto][postgres]") {
  Stage stage;
  stage.client(query("COPY t FROM STDIN"));
  stage.server("G");
  stage.client(from_client("ddd c"));
  stage.server(complete("COPY 3"));
  stage.server("ZI");
  CHECK(stage.only().affected == 3U);

  stage.client(query("SELECT pg_sleep(1)"));
  stage.client(parse("", "behind"));
  stage.log.reset();
  REQUIRE(stage.records.size() == 2);
  CHECK_FALSE(stage.records[0].answered);
  CHECK(stage.records[1].sql == "behind");
  CHECK_FALSE(stage.records[1].answered);
}

TEST_CASE("statement log: no more than max_statement of a text", "[proto][postgres]") {
  constexpr std::size_t kMost = 64 << 10;
  const std::string text = "SELECT '" + std::string(100'000, 'x') + "'";
  for (const std::size_t piece : {std::size_t{7}, std::size_t{100}, std::size_t{1} << 20}) {
    Stage stage;
    stage.client(query(text), piece);
    stage.server("C ZI");
    Seen seen = stage.only();
    CHECK(seen.sql == text.substr(0, kMost));
    CHECK(seen.size == text.size());
    stage.client(parse("s", text, {23}), piece);
    stage.client(bind("", "s", {{std::string(100'000, 'y')}}), piece);
    stage.client(execute());
    stage.sync();
    stage.server("12C ZI");
    REQUIRE(stage.records.size() == 2);
    CHECK(stage.records[0].size == text.size());
    CHECK(stage.records[1].sql == text.substr(0, kMost));
    CHECK(stage.records[1].cut);
  }
}

TEST_CASE("statement log: what has no answer fills it, and answers empty it", "[proto][postgres]") {
  Stage stage;
  const Buffer bytes = query("SELECT '" + std::string(60'000, 'x') + "'");
  std::size_t sent = 0;
  for (; !stage.log->is_full(); ++sent) stage.client(bytes);
  CHECK(sent < 20);
  for (std::size_t i = 0; i < sent; ++i) stage.server("C ZI");
  CHECK_FALSE(stage.log->is_full());
  CHECK(stage.records.size() == sent);
}

TEST_CASE("statement log: a server that answers before the message is there",
          "[proto][postgres]") {
  Stage stage;
  const Buffer bytes = query("SELECT 'something'");
  stage.client({bytes.begin(), bytes.begin() + 15});
  stage.server("C ZI");
  CHECK(stage.only().sql == "SELECT 'so");
  stage.client({bytes.begin() + 15, bytes.end()});
  CHECK(stage.records.empty());

  const Buffer prepare = parse("s", "SELECT 'something'");
  stage.client({prepare.begin(), prepare.begin() + 15});
  stage.server(failure());
  stage.client({prepare.begin() + 15, prepare.end()});
  CHECK(stage.only().error == "42601");
  stage.sync();
  stage.server("ZI");
  CHECK(stage.records.empty());
}

TEST_CASE("statement log: answers of the proxy's own", "[proto][postgres]") {
  Stage stage;
  OwnAnswers::Outcome outcome;
  outcome.rows = 2;
  const Buffer message = query("SELECT ours");
  stage.log->answered_here(stage.log->start_of(message), outcome);
  Seen seen = stage.only();
  CHECK(seen.sql == "SELECT ours");
  CHECK(seen.rows == 2U);

  stage.log->answered_here(stage.log->start_of(parse("o", "ours")), {});
  stage.log->answered_here(stage.log->start_of(bind("", "o", {{"1"}})), {});
  stage.log->answered_here(stage.log->start_of(execute()), outcome);
  REQUIRE(stage.records.size() == 2);
  CHECK(stage.records[1].sql == "ours");
  CHECK(stage.records[1].parameters == "[\"1\"]");
  stage.records.clear();

  outcome = {};
  outcome.error = proto::postgres::error("42501", "no");
  stage.log->answered_here(stage.log->start_of(query("SELECT refused")), outcome);
  CHECK(stage.only().error == "42501");

  // A text that is too long for anybody is known by its beginning.
  Buffer beginning = query(std::string(200'000, 'x'));
  beginning.resize(1000);
  stage.log->answered_here(stage.log->start_of(beginning), outcome);
  seen = stage.only();
  CHECK(seen.size == 200'000);
  CHECK(seen.sql == std::string(1000 - kHeaderSize, 'x'));
}

TEST_CASE("statement log: what the server was sent, and what the client has sent",
          "[proto][postgres]") {
  Stage stage;
  stage.log->will_replace(stage.log->start_of(query("mine")));
  const Buffer sent = query("theirs");
  stage.exchange.forwarded(FrontendTag::Query, Bytes{sent}.subspan(kHeaderSize));
  stage.server("C ZI");
  Seen seen = stage.only();
  CHECK(seen.sql == "theirs");
  CHECK(seen.original == "mine");

  stage.log->will_replace(stage.log->start_of(parse("s", "mine", {23})));
  const Buffer prepared = parse("s", "theirs", {23});
  stage.exchange.forwarded(FrontendTag::Parse, Bytes{prepared}.subspan(kHeaderSize));
  stage.server("1");
  seen = stage.only();
  CHECK(seen.sql == "theirs");
  CHECK(seen.original == "mine");

  stage.log->will_hide();
  stage.exchange.forwarded(FrontendTag::Query, Bytes{sent}.subspan(kHeaderSize));
  stage.server(failure());
  stage.server("ZI");
  CHECK(stage.records.empty());
}

TEST_CASE("statement log: recorded sessions in pieces make the same records", "[proto][postgres]") {
  std::size_t records = 0;
  for (const RecordedSession& session : recorded_sessions()) {
    const std::vector<Seen> whole = replayed(session, std::size_t{1} << 20);
    records += whole.size();
    for (const std::size_t piece : {1U, 5U, 6U, 17U, 64U}) {
      CAPTURE(session.name, piece);
      CHECK(replayed(session, piece) == whole);
    }
  }
  CHECK(records > 50);
}
