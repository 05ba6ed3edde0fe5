// Statements that the proxy prepares, and those that it does not.

#include "support/catch.hh"
#include "unit/proto/mysql/phase_talk.hh"

using namespace perilune;
using namespace perilune::test;
using session::Refuse;
using session::StatementKind;
using session::Succeed;

namespace {

Buffer of_statement(Command what, std::uint32_t id, std::string_view rest = {}) {
  std::string body;
  for (int shift = 0; shift < 32; shift += 8) body += static_cast<char>(id >> shift);
  return command(what, body + std::string{rest});
}

Buffer execute(std::uint32_t id) {
  return of_statement(Command::StmtExecute, id, std::string_view{"\0\1\0\0\0", 5});
}

Buffer prepare(std::string_view text) { return command(Command::StmtPrepare, text); }

// The server's first statement has this number too.
constexpr std::uint32_t kOurs = 0x80000001U;
constexpr std::uint32_t kLast = 0xFFFFFFFFU;

std::shared_ptr<const session::ResultTable> one_row() {
  auto table = std::make_shared<session::ResultTable>();
  table->columns = {"a"};
  table->rows = {{std::int64_t{1}}};
  return table;
}

// Answers texts that begin with "ok" or "table", refuses "no", and forwards the rest.
struct Stage : PhaseStage {
  explicit Stage(StageOptions options = modern()) : PhaseStage(options) {
    hooks->statement = [](std::string_view text, StatementKind) -> FakeHooks::Answer {
      if (text.starts_with("ok")) return Succeed{3};
      if (text.starts_with("table")) return one_row();
      if (text.starts_with("no")) return Refuse{};
      return session::Proceed{};
    };
  }
  std::string ask(const Buffer& bytes) {
    from_client(bytes);
    return take_packets(client);
  }
};

Buffer prepared_by_server() {
  return packet(from_hex("00 01 00 00 00 00 00 00 00 00 00 00"), 1);
}

}  // namespace

TEST_CASE("mysql command phase: the commands to a statement of the proxy's", "[proto][mysql]") {
  Stage stage;
  CHECK(stage.ask(prepare("ok ?")) == "1:0 2:3");
  CHECK(stage.ask(execute(kOurs)) == "1:0");
  CHECK(stage.ask(execute(kLast)) == "1:0");
  CHECK(stage.ask(prepare("table")) == "1:0 2:3");
  CHECK(stage.ask(execute(kOurs + 1)) == "1:1 2:3 3:0 4:254");
  CHECK(stage.ask(execute(kLast)) == "1:1 2:3 3:0 4:254");
  CHECK(stage.ask(of_statement(Command::StmtSendLongData, kOurs, "\1\1long")).empty());
  CHECK(stage.ask(of_statement(Command::StmtReset, kOurs)) == "1:0");
  CHECK(stage.ask(of_statement(Command::StmtFetch, kOurs, "\1\1\1\1")) == "1:err1235");
  CHECK(stage.ask(of_statement(Command::StmtBulkExecute, kOurs, "\1\1")) == "1:err1235");
  CHECK(stage.ask(of_statement(Command::StmtClose, kOurs)).empty());
  CHECK(stage.ask(execute(kOurs)) == "1:err1243");
  CHECK(stage.ask(of_statement(Command::StmtReset, kOurs)) == "1:err1243");
  CHECK(stage.ask(execute(kOurs + 1)) == "1:1 2:3 3:0 4:254");
  CHECK(take(stage.server).empty());
  CHECK_FALSE(stage.has_ended());
}

TEST_CASE("mysql command phase: the commands to a statement of the server's go there",
          "[proto][mysql]") {
  Stage stage;
  stage.ask(prepare("ok"));
  const Buffer commands = execute(1) + of_statement(Command::StmtSendLongData, 1, "\1\1long") +
                          of_statement(Command::StmtReset, 1) +
                          of_statement(Command::StmtFetch, 1, "\1\1\1\1") +
                          of_statement(Command::StmtClose, 1) + execute(0x7FFFFFFFU);
  for (std::size_t size : {std::size_t{1}, std::size_t{3}, commands.size()}) {
    Bytes rest = commands;
    while (!rest.empty()) {
      const Bytes piece = rest.first(std::min(size, rest.size()));
      rest = rest.subspan(piece.size());
      stage.from_client(piece);
    }
    CHECK(take(stage.server) == commands);
  }
}

TEST_CASE("mysql command phase: answers of the proxy's statements keep their place",
          "[proto][mysql]") {
  Stage stage;
  stage.ask(prepare("table"));
  const Buffer ping = command(Command::Ping);
  stage.from_client(ping + execute(kOurs) + ping + of_statement(Command::StmtReset, kOurs) +
                    of_statement(Command::StmtClose, kOurs) + execute(kOurs) + ping);
  CHECK(take_packets(stage.client).empty());
  CHECK(take(stage.server) == ping);
  stage.from_server(ok_packet());
  CHECK(take_packets(stage.client) == "1:0 1:1 2:3 3:0 4:254");
  CHECK(take(stage.server) == ping);
  stage.from_server(ok_packet());
  CHECK(take_packets(stage.client) == "1:0 1:0 1:err1243");
  CHECK(take(stage.server) == ping);
}

TEST_CASE("mysql command phase: the statement prepared last is whoever's it is",
          "[proto][mysql]") {
  Stage stage;
  stage.from_client(prepare("server's"));
  stage.from_server(prepared_by_server());
  take(stage.server);
  take(stage.client);
  SECTION("the server's") {
    CHECK(stage.ask(execute(kLast)).empty());
    CHECK(take(stage.server) == execute(kLast));
  }
  SECTION("the server's, behind one of ours") {
    stage.ask(prepare("ok"));
    stage.from_client(prepare("server's") + execute(kLast));
    CHECK(take(stage.server) == prepare("server's") + execute(kLast));
  }
  SECTION("nobody's, as the script has refused it") {
    CHECK(stage.ask(prepare("no") + execute(kLast)) == "1:err1148 1:err1243");
    CHECK(take(stage.server).empty());
  }
  SECTION("nobody's, as it was too long") {
    const Buffer text = prepare(std::string(1 << 16, 'x'));
    StageOptions options = modern();
    options.max_query = 1000;
    Stage small{options};
    CHECK(small.ask(text + execute(kLast)) == "1:err1153 1:err1243");
    CHECK(take(small.server).empty());
  }
  SECTION("nobody's, as it was ours and is closed") {
    stage.ask(prepare("ok"));
    const Buffer close = of_statement(Command::StmtClose, kLast);
    CHECK(stage.ask(close + execute(kLast)) == "1:err1243");
    CHECK(take(stage.server).empty());
  }
  SECTION("the server's own affair, behind a reset") {
    stage.ask(prepare("no"));
    stage.from_client(command(Command::ResetConnection));
    stage.from_server(ok_packet());
    take(stage.server);
    stage.from_client(execute(kLast));
    CHECK(take(stage.server) == execute(kLast));
  }
}
