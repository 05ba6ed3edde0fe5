// How a command phase ends while a command is held.

#include "support/catch.hh"
#include "unit/proto/mysql/phase_talk.hh"

using namespace perilune;
using namespace perilune::test;
using session::Proceed;
using session::Refuse;
using session::SendInstead;
using session::StopReason;

namespace {

// Two answers outstanding where wanted, and a callback that waits.
struct Waiting : PhaseStage {
  explicit Waiting(int outstanding) : PhaseStage(modern()) {
    wait_at(*this, "wait");
    Buffer bytes;
    for (int i = 0; i < outstanding; ++i) append(bytes, command(Command::Ping));
    from_client(bytes + query("wait"));
    REQUIRE(is_waiting());
    take(server);
  }
};

}  // namespace

TEST_CASE("mysql command phase: a client that leaves cancels the callback that waits",
          "[proto][mysql]") {
  const int outstanding = GENERATE(0, 2);
  const bool breaks_off = GENERATE(false, true);
  Waiting stage{outstanding};
  breaks_off ? stage.client.close() : stage.client.end_sending();
  stage.turn();
  CHECK(stage.has_ended());
  CHECK(stage.cancelled == 1);
  CHECK(stage.problem().empty());
  CHECK(stage.server.has_ended);
}

TEST_CASE("mysql command phase: a server that leaves is an error in the right place",
          "[proto][mysql]") {
  const int outstanding = GENERATE(0, 1, 2);
  const bool in_answer = GENERATE(false, true);
  Waiting stage{outstanding};
  if (outstanding > 0 && in_answer) {
    stage.from_server(ok_packet());
    CHECK(take(stage.client) == ok_packet());
  }
  stage.server.close();
  stage.turn();
  CHECK(take_packets(stage.client) == "1:err1047");
  CHECK(stage.has_ended());
  CHECK(stage.cancelled == 1);
}

TEST_CASE("mysql command phase: a server that leaves within rows is an error behind them",
          "[proto][mysql]") {
  PhaseStage stage{modern()};
  wait_at(stage, "wait");
  stage.from_client(query("select") + query("wait"));
  const Buffer answer = rows();
  stage.from_server(Bytes{answer}.first(answer.size() - packet(from_hex(kOkEnd)).size()));
  stage.server.close();
  stage.turn();
  CHECK(take_packets(stage.client) == "1:1 2:3 3:1 4:err1047");
  CHECK(stage.cancelled == 1);
}

TEST_CASE("mysql command phase: a session drains behind the answer to a command that waited",
          "[proto][mysql]") {
  const int outstanding = GENERATE(0, 2);
  Waiting stage{outstanding};
  stage.session->drain();
  for (int i = 0; i < outstanding; ++i) stage.from_server(ok_packet());
  stage.turn();
  CHECK_FALSE(stage.has_ended());
  take(stage.client);
  SECTION("forwarded") {
    stage.decide(Proceed{});
    stage.turn();
    CHECK(take(stage.server) == query("wait"));
    CHECK_FALSE(stage.has_ended());
    stage.from_server(ok_packet());
    CHECK(take_packets(stage.client) == "1:0 0:err1053");
  }
  SECTION("replaced") {
    stage.decide(SendInstead{"now"});
    stage.turn();
    CHECK(take(stage.server) == query("now"));
    CHECK_FALSE(stage.has_ended());
    stage.from_server(rows());
    CHECK(take_packets(stage.client) == "1:1 2:3 3:1 4:254 0:err1053");
  }
  SECTION("refused") {
    stage.decide(Refuse{});
    stage.turn();
    CHECK(take_packets(stage.client) == "1:err1148 0:err1053");
  }
  stage.turn();
  CHECK(stage.has_ended());
  CHECK(stage.problem().empty());
}

TEST_CASE("mysql command phase: who is stopped while a callback waits is told under its number",
          "[proto][mysql]") {
  const int outstanding = GENERATE(0, 2);
  Waiting stage{outstanding};
  stage.session->stop(StopReason::Disconnect);
  stage.turn();
  CHECK(take_packets(stage.client) == "1:err1927");
  CHECK(stage.has_ended());
  CHECK(stage.cancelled == 1);
}

TEST_CASE("mysql command phase: a stopped session that waits at rows is told behind them",
          "[proto][mysql]") {
  PhaseStage stage{modern()};
  wait_at(stage, "wait");
  stage.from_client(query("select") + query("wait"));
  stage.from_server(packet(from_hex("01"), 1) + packet(from_hex(kDefinition), 2));
  stage.session->stop(StopReason::Disconnect);
  stage.turn();
  CHECK(take_packets(stage.client) == "1:1 2:3 3:err1927");
}

TEST_CASE("mysql command phase: who is stopped while sending a refused command is told behind it",
          "[proto][mysql]") {
  StageOptions options = modern();
  options.max_query = 100;
  PhaseStage stage{options};
  const Buffer text = query(std::string(50000, 'x'));
  stage.from_client(Bytes{text}.first(200));
  CHECK(take(stage.client).empty());
  stage.session->stop(StopReason::Disconnect);
  stage.turn();
  CHECK(take_packets(stage.client) == "1:err1927");
}
