#include "cluster/cluster.hh"

#include <map>
#include <set>

#include "support/catch.hh"
#include "unit/cluster/stage.hh"

namespace perilune::cluster {

using namespace test;
using enum NodeState;
using Lack = Choice::Lack;

TEST_CASE("cluster: without monitoring every node is used, by the hash alone", "[cluster]") {
  Stage stage{plain({"127.0.0.2", "127.0.0.3", "2001:db8::7"})};
  CHECK(stage.choose(with_key("anna")) == "127.0.0.2:3306");
  CHECK(stage.choose(with_key("berta")) == "127.0.0.3:3306");
  CHECK(stage.choose(with_key("dora")) == "[2001:db8::7]:3306");
}

TEST_CASE("cluster: nodes of one address share its clients by their ports", "[cluster]") {
  Stage one{plain({"127.0.0.2:1", "127.0.0.3:1"})};
  Stage two{plain({"127.0.0.2:2", "127.0.0.2:1", "127.0.0.3:1"})};
  std::map<std::string, int> counts;
  for (int i = 0; i < 3000; ++i) {
    const Wish wish = with_key("account-" + std::to_string(i));
    const std::string before = one.choose(wish);
    const std::string after = two.choose(wish);
    ++counts[after];
    CHECK((after == before || after == "127.0.0.2:2"));
  }
  for (const auto& [node, count] : counts) CHECK(std::abs(count - 1000) < 100);
}

TEST_CASE("cluster: better states come first", "[cluster]") {
  Stage stage{with_policy(monitored({"127.0.0.2", "127.0.0.3", "127.0.0.4"}), "first")};
  stage.set(0, AuthFailed);
  stage.set(1, ReadOnly);
  stage.set(2, Available);
  CHECK(stage.choose() == "127.0.0.4:3306");
  Wish wish;
  wish.read_only = true;
  CHECK(stage.choose(wish) == "127.0.0.3:3306");
  stage.set(2, Down);
  CHECK(stage.choose() == "127.0.0.3:3306");
  stage.set(1, Down);
  CHECK(stage.choose() == "127.0.0.2:3306");
  CHECK(stage.choose(wish) == "127.0.0.2:3306");
}

TEST_CASE("cluster: backups wait until nobody else can", "[cluster]") {
  Settings settings = with_policy(monitored({"127.0.0.2", "127.0.0.3"}), "first");
  settings.nodes[0].backup = true;
  Stage stage{std::move(settings)};
  stage.set(0, Available);
  stage.set(1, Available);
  CHECK(stage.choose() == "127.0.0.3:3306");
  stage.set(1, ReadOnly);
  CHECK(stage.choose() == "127.0.0.2:3306");
}

TEST_CASE("cluster: what was not probed yet is waited for", "[cluster]") {
  Stage stage{monitored({"127.0.0.2", "127.0.0.3"})};
  CHECK(stage.lack() == Lack::Unprobed);
  stage.set(0, ReadOnly);
  CHECK(stage.choose() == "127.0.0.2:3306");
  stage.set(0, Down);
  CHECK(stage.lack() == Lack::Unprobed);
  stage.set(1, Down);
  CHECK(stage.lack() == Lack::Unusable);
}

TEST_CASE("cluster: a node takes no more than max_connections", "[cluster]") {
  Settings settings = with_policy(plain({"127.0.0.2", "127.0.0.3"}), "first");
  for (auto& node : settings.nodes) node.max_connections = 1;
  Stage stage{std::move(settings)};
  Choice one = stage.cluster->choose({}, {});
  const Choice two = stage.cluster->choose({}, {});
  CHECK(one.lease->node().text() == "127.0.0.2:3306");
  CHECK(two.lease->node().text() == "127.0.0.3:3306");
  CHECK(stage.lack() == Lack::Full);
  one.lease.reset();
  CHECK(stage.choose() == "127.0.0.2:3306");
}

TEST_CASE("cluster: who failed one client is not tried again, unless it has changed", "[cluster]") {
  Stage stage{with_policy(monitored({"127.0.0.2", "127.0.0.3"}), "first")};
  stage.set(0, Available);
  stage.set(1, Available);
  Tried tried;
  tried.add(stage.node(0));
  CHECK(stage.choose({}, tried) == "127.0.0.3:3306");
  tried.add(stage.node(1));
  CHECK(stage.lack(tried) == Lack::Tried);
  stage.set(0, Down);
  stage.set(0, Available);
  CHECK(stage.choose({}, tried) == "127.0.0.2:3306");
}

TEST_CASE("cluster: without monitoring who fails is avoided, but never everybody", "[cluster]") {
  Stage stage{with_policy(plain({"127.0.0.2", "127.0.0.3"}), "first")};
  stage.cluster->note_failure(stage.node(0), "no answer", false);
  CHECK(stage.node(0).health() == Down);
  CHECK(stage.choose() == "127.0.0.3:3306");
  stage.cluster->note_failure(stage.node(1), "no answer", false);
  CHECK(stage.choose() == "127.0.0.2:3306");
  stage.cluster->note_connected(stage.node(1));
  CHECK(stage.node(1).connected() == 1);
  CHECK(stage.node(1).failed() == 1);
  CHECK(stage.choose() == "127.0.0.3:3306");
  CHECK(stage.node(1).health() == Unknown);
}

TEST_CASE("cluster: with monitoring a refused connection counts, other failures are probed",
          "[cluster]") {
  Stage stage{with_policy(monitored({"127.0.0.2", "127.0.0.3"}), "first")};
  stage.set(0, Available);
  stage.set(1, Available);
  stage.cluster->note_failure(stage.node(0), "too many connections", false);
  CHECK(stage.choose() == "127.0.0.2:3306");
  stage.cluster->note_failure(stage.node(0), "connection refused", true);
  CHECK(stage.choose() == "127.0.0.3:3306");
}

TEST_CASE("cluster: the last usable node does not go silently", "[cluster]") {
  Stage stage{monitored({"127.0.0.2", "127.0.0.3"})};
  stage.set(0, Available);
  stage.set(1, Down);
  stage.set(0, Down);
  stage.set(0, Available);
  const std::string log = stage.capture.finish();
  CHECK_THAT(log, Catch::Contains("error"));
  CHECK_THAT(log, Catch::Contains("no usable node is left"));
  CHECK_THAT(log, Catch::Contains("a node is usable again"));
  CHECK_THAT(log, Catch::Contains("node is down"));
  CHECK_THAT(log, Catch::Contains("was=\"available\""));
}

TEST_CASE("cluster: a draining node takes nobody and can come back", "[cluster]") {
  Stage stage{with_policy(monitored({"127.0.0.2", "127.0.0.3"}), "first")};
  stage.set(0, Available);
  stage.set(1, ReadOnly);
  stage.cluster->drain(stage.node(0));
  CHECK(stage.node(0).status().state == Draining);
  CHECK(stage.choose() == "127.0.0.3:3306");
  stage.cluster->enable(stage.node(0));
  CHECK(stage.choose() == "127.0.0.2:3306");
}

TEST_CASE("cluster: set_nodes keeps the state of nodes that stay", "[cluster]") {
  Stage stage{with_policy(monitored({"127.0.0.2", "127.0.0.3"}), "first")};
  stage.set(0, Down);
  stage.set(1, Available);
  const Choice open = stage.cluster->choose({}, {});
  stage.cluster->set_nodes(nodes({"127.0.0.4", "127.0.0.3"}));
  CHECK(stage.node(0).health() == Unknown);
  CHECK(stage.node(1).health() == Available);
  CHECK(stage.node(1).sessions() == 1);
  CHECK(stage.choose() == "127.0.0.3:3306");
}

TEST_CASE("cluster: stays where it would be sent again", "[cluster]") {
  Stage stage{monitored({"127.0.0.2", "127.0.0.3"})};
  stage.set(0, Available);
  stage.set(1, Available);
  CHECK(stage.cluster->would_stay(stage.node(0), with_key("anna")));
  CHECK_FALSE(stage.cluster->would_stay(stage.node(0), with_key("berta")));
  stage.set(1, Down);
  CHECK(stage.cluster->would_stay(stage.node(0), with_key("berta")));
  Stage round{with_policy(plain({"127.0.0.2", "127.0.0.3"}), "round_robin")};
  CHECK(round.cluster->would_stay(round.node(0), {}));
  CHECK(round.cluster->would_stay(round.node(1), {}));
}

TEST_CASE("cluster: a full node is not offered to scripts", "[cluster]") {
  Settings settings = with_policy(plain({"127.0.0.2", "127.0.0.3"}), "first");
  settings.nodes[0].max_connections = 1;
  Stage stage{std::move(settings)};
  Wish wish;
  wish.preferred = endpoint("127.0.0.2");
  const Choice open = stage.cluster->choose(wish, {});
  CHECK(open.lease->node().text() == "127.0.0.2:3306");
  REQUIRE(stage.cluster->usable({}).size() == 1);
  CHECK(stage.cluster->usable({}).front().node->text() == "127.0.0.3:3306");
  CHECK(stage.choose(wish) == "127.0.0.3:3306");
}

TEST_CASE("cluster: what a script has chosen is taken if it is there", "[cluster]") {
  Stage stage{with_policy(monitored({"127.0.0.2", "127.0.0.3"}), "first")};
  stage.set(0, Available);
  stage.set(1, ReadOnly);
  Wish wish;
  wish.preferred = endpoint("127.0.0.3");
  CHECK(stage.choose(wish) == "127.0.0.3:3306");
  stage.set(1, Down);
  CHECK(stage.choose(wish) == "127.0.0.2:3306");
}

}  // namespace perilune::cluster
