#include "cluster/attempts.hh"

#include "event/timer.hh"
#include "support/catch.hh"
#include "support/run_task.hh"
#include "unit/cluster/stage.hh"

namespace perilune::cluster {

using namespace test;
using perilune::test::run_task;
using enum NodeState;

namespace {

event::Task<std::string> next(Attempts& attempts) {
  std::string text;
  try {
    const auto lease = co_await attempts.next();
    text = lease->node().text();
  } catch (const NoNode& error) {
    text = error.what();
  }
  co_return text;
}

event::Task<> later(event::Loop& loop, Stage& stage, NodeState health) {
  co_await event::Sleep(loop, Millis{60});
  stage.set(0, health);
}

}  // namespace

TEST_CASE("attempts: other nodes are tried, as many as allowed", "[cluster]") {
  event::Loop loop;
  Stage stage{with_policy(plain({"127.0.0.2", "127.0.0.3", "127.0.0.4"}), "first")};
  Attempts attempts{loop, stage.cluster, {}, 1, Millis{1000}};
  CHECK(run_task(loop, next(attempts)) == "127.0.0.2:3306");
  CHECK(attempts.fail(stage.node(0), "refused", true));
  CHECK(run_task(loop, next(attempts)) == "127.0.0.3:3306");
  CHECK_FALSE(attempts.fail(stage.node(1), "refused", true));
}

TEST_CASE("attempts: each has its share of the time", "[cluster]") {
  event::Loop loop;
  Stage stage{plain({"127.0.0.2", "127.0.0.3", "127.0.0.4"})};
  CHECK(Attempts(loop, stage.cluster, {}, 2, Millis{9000}).share() <= Millis{3000});
  CHECK(Attempts(loop, stage.cluster, {}, 2, Millis{9000}).share() > Millis{2000});
  CHECK(Attempts(loop, stage.cluster, {}, 0, Millis{9000}).share() > Millis{8000});
  CHECK(Attempts(loop, stage.cluster, {}, 2, Millis{0}).share() == Millis{0});
}

TEST_CASE("attempts: wait for a node, but no longer than allowed", "[cluster]") {
  event::Loop loop;
  Stage stage{monitored({"127.0.0.2"})};
  stage.set(0, Down);
  Attempts impatient{loop, stage.cluster, {}, 2, Millis{30}};
  const std::string complaint = run_task(loop, next(impatient));
  CHECK_THAT(complaint, Catch::Contains("no node of cluster test is usable"));
  CHECK_THAT(complaint, Catch::Contains("127.0.0.2:3306 is down (test)"));
  event::TaskGroup others{loop};
  Attempts patient{loop, stage.cluster, {}, 2, Millis{5000}};
  others.spawn(later(loop, stage, Available));
  CHECK(run_task(loop, next(patient)) == "127.0.0.2:3306");
}

TEST_CASE("attempts: a node that comes back is tried again", "[cluster]") {
  event::Loop loop;
  Stage stage{monitored({"127.0.0.2"})};
  stage.set(0, Available);
  Attempts attempts{loop, stage.cluster, {}, 2, Millis{5000}};
  CHECK(run_task(loop, next(attempts)) == "127.0.0.2:3306");
  CHECK(attempts.fail(stage.node(0), "refused", true));
  event::TaskGroup others{loop};
  others.spawn(later(loop, stage, Available));
  CHECK(run_task(loop, next(attempts)) == "127.0.0.2:3306");
}

TEST_CASE("attempts: when all have failed there is nothing to wait for", "[cluster]") {
  event::Loop loop;
  Stage stage{monitored({"127.0.0.2"})};
  stage.set(0, Available);
  Attempts attempts{loop, stage.cluster, {}, 2, Millis{60000}};
  CHECK(run_task(loop, next(attempts)) == "127.0.0.2:3306");
  CHECK_FALSE(attempts.fail(stage.node(0), "1040 Too many connections", false));
}

TEST_CASE("attempts: without monitoring a node that comes back is tried again", "[cluster]") {
  event::Loop loop;
  Stage stage{with_policy(plain({"127.0.0.2", "127.0.0.3"}), "first")};
  Attempts attempts{loop, stage.cluster, {}, 1, Millis{5000}};
  const auto fail_all = [&] {
    CHECK(run_task(loop, next(attempts)) == "127.0.0.2:3306");
    CHECK(attempts.fail(stage.node(0), "connection refused", true));
    CHECK(run_task(loop, next(attempts)) == "127.0.0.3:3306");
    CHECK(attempts.fail(stage.node(1), "connection refused", true));
  };
  fail_all();
  event::TaskGroup others{loop};
  SECTION("by itself") {
    const auto begin = Clock::now();
    fail_all();
    CHECK(Clock::now() - begin >= Millis{900});
  }
  SECTION("when somebody else has found it") {
    others.spawn([](event::Loop& l, Stage& s) -> event::Task<> {
      co_await event::Sleep(l, Millis{60});
      s.cluster->note_connected(s.node(1));
    }(loop, stage));
    CHECK(run_task(loop, next(attempts)) == "127.0.0.3:3306");
  }
}

TEST_CASE("attempts: without monitoring they end in time too", "[cluster]") {
  event::Loop loop;
  Stage stage{plain({"127.0.0.2"})};
  Attempts attempts{loop, stage.cluster, {}, 0, Millis{200}};
  CHECK(run_task(loop, next(attempts)) == "127.0.0.2:3306");
  CHECK(attempts.fail(stage.node(0), "connection refused", true));
  const std::string complaint = run_task(loop, next(attempts));
  CHECK_THAT(complaint, Catch::Contains("no node of cluster test is usable"));
  CHECK_THAT(complaint, Catch::Contains("the last failure: 127.0.0.2:3306: connection refused"));
  CHECK_FALSE(attempts.fail(stage.node(0), "connection refused", true));
}

TEST_CASE("attempts: without monitoring there is no waiting for", "[cluster]") {
  event::Loop loop;
  Stage stage{with_policy(plain({"127.0.0.2", "127.0.0.3"}), "first")};
  SECTION("what a server has said") {
    Attempts attempts{loop, stage.cluster, {}, 2, Millis{60000}};
    stage.cluster->drain(stage.node(1));
    CHECK(run_task(loop, next(attempts)) == "127.0.0.2:3306");
    CHECK_FALSE(attempts.fail(stage.node(0), "1040 Too many connections", false));
  }
  SECTION("more nodes than `retry` says") {
    Attempts attempts{loop, stage.cluster, {}, 0, Millis{60000}};
    CHECK(run_task(loop, next(attempts)) == "127.0.0.2:3306");
    CHECK_FALSE(attempts.fail(stage.node(0), "connection refused", true));
  }
  SECTION("ever") {
    Attempts attempts{loop, stage.cluster, {}, 2, Millis{0}};
    stage.cluster->drain(stage.node(1));
    CHECK(run_task(loop, next(attempts)) == "127.0.0.2:3306");
    CHECK_FALSE(attempts.fail(stage.node(0), "connection refused", true));
  }
}

TEST_CASE("attempts: a full node is waited for", "[cluster]") {
  event::Loop loop;
  Settings settings = plain({"127.0.0.2"});
  settings.nodes[0].max_connections = 1;
  Stage stage{std::move(settings)};
  const Choice open = stage.cluster->choose({}, {});
  Attempts attempts{loop, stage.cluster, {}, 2, Millis{30}};
  CHECK_THAT(run_task(loop, next(attempts)), Catch::Contains("has a place left"));
}

}  // namespace perilune::cluster
