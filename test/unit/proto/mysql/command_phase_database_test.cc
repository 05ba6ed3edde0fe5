// The database of a session as its client changes it.

#include "support/catch.hh"
#include "unit/proto/mysql/phase_talk.hh"

using namespace perilune;
using namespace perilune::test;
using session::Proceed;
using session::UseDatabase;

namespace {

const std::string kOldName = "old";

struct Stage : PhaseStage {
  explicit Stage(bool waits) : PhaseStage(modern()) {
    session->database = std::string{kOldName};
    hooks->database = [this, waits](std::string_view) {
      return waits ? FakeHooks::Answer{} : FakeHooks::Answer{decision};
    };
  }
  void decide_now() {
    if (is_waiting()) decide(decision);
    turn();
  }
  std::string database() const { return std::string{session->database.text()}; }

  session::StatementDecision decision = Proceed{};
};

Buffer error_packet() { return packet(from_hex(kErr), 1); }

}  // namespace

TEST_CASE("mysql command phase: the database changes once the server has said so",
          "[proto][mysql]") {
  const bool waits = GENERATE(false, true);
  const bool as_text = GENERATE(false, true);
  const bool replaced = GENERATE(false, true);
  Stage stage{waits};
  if (replaced) stage.decision = UseDatabase{"elsewhere"};
  const Buffer change = as_text ? query("use `new`;") : command(Command::InitDb, "new");
  stage.from_client(change);
  stage.decide_now();
  REQUIRE(take(stage.server) == (replaced ? command(Command::InitDb, "elsewhere") : change));
  CHECK(stage.database() == kOldName);
  stage.from_server(ok_packet());
  CHECK(stage.database() == "new");
  CHECK(take(stage.client) == ok_packet());
}

TEST_CASE("mysql command phase: a refused change of the database changes nothing",
          "[proto][mysql]") {
  const bool waits = GENERATE(false, true);
  Stage stage{waits};
  SECTION("by the script") {
    stage.decision = session::Refuse{};
    stage.from_client(command(Command::InitDb, "new"));
    stage.decide_now();
    CHECK(take_packets(stage.client) == "1:err1044");
    CHECK(take(stage.server).empty());
  }
  SECTION("by the server") {
    stage.from_client(command(Command::InitDb, "new"));
    stage.decide_now();
    stage.from_server(error_packet());
    CHECK(take(stage.client) == error_packet());
  }
  CHECK(stage.database() == kOldName);
  stage.from_client(command(Command::Ping));
  CHECK(take(stage.server).size() >= 5);
}

TEST_CASE("mysql command phase: the answers before and behind a change of the database are others'",
          "[proto][mysql]") {
  const bool waits = GENERATE(false, true);
  const bool fails = GENERATE(false, true);
  Stage stage{waits};
  const Buffer ping = command(Command::Ping);
  const Buffer change = command(Command::InitDb, "new");
  stage.from_client(ping + ping + change + ping);
  stage.decide_now();
  CHECK(take(stage.server) == ping + ping + change);
  stage.from_server(ok_packet() + ok_packet());
  CHECK(stage.database() == kOldName);
  CHECK(take(stage.server).empty());
  stage.from_server(fails ? error_packet() : ok_packet());
  CHECK(stage.database() == (fails ? kOldName : "new"));
  CHECK(take(stage.server) == ping);
  stage.from_server(fails ? ok_packet() : error_packet());
  CHECK(stage.database() == (fails ? kOldName : "new"));
}

// What the server has said while nobody read comes before the command that now may pass.
TEST_CASE("mysql command phase: late answers do not stand for that to a waiting change",
          "[proto][mysql]") {
  Stage stage{true};
  const Buffer ping = command(Command::Ping);
  stage.from_client(ping + command(Command::InitDb, "new"));
  REQUIRE(stage.is_waiting());
  take(stage.server);
  stage.decide(Proceed{});
  CHECK(stage.server.send(ok_packet()) > 0);
  stage.turn();
  CHECK(take(stage.client) == ok_packet());
  CHECK(take(stage.server) == command(Command::InitDb, "new"));
  CHECK(stage.database() == kOldName);
  stage.from_server(error_packet());
  CHECK(stage.database() == kOldName);
}
