#include "cluster/monitor.hh"

#include <deque>
#include <optional>

#include "event/timer.hh"
#include "support/catch.hh"
#include "support/run_task.hh"
#include "unit/cluster/stage.hh"

namespace perilune::cluster {

using namespace test;
using perilune::test::run_task;
using enum NodeState;

namespace {

// What the probes of the test find, by the node's text; nothing: available.
std::map<std::string, Finding> findings;
std::vector<std::string> probed;

event::Task<Finding> scripted_probe(ProbeOrder order) {
  const std::string node = net::text_of(order.endpoint);
  probed.push_back(node);
  co_await event::Sleep(order.loop, Millis{1});
  const auto found = findings.find(node);
  co_return found == findings.end() ? Finding{Available, {}, false} : found->second;
}

Settings quick(const std::vector<std::string>& texts) {
  Settings settings = monitored(texts);
  settings.monitoring->interval = Millis{1};
  return settings;
}

struct Watch {
  Watch() {
    findings.clear();
    probed.clear();
  }

  event::Loop loop;
  perilune::test::Capture capture;
  log::Output output{capture.fd(), log::LineFormat::Timed, log::Level::Debug};
  log::Logger logger{output};
  Registry registry{logger};
  std::vector<std::string> dropped;
  Monitor monitor{loop,
                  registry,
                  logger,
                  {[](std::string_view) { return Probe{scripted_probe}; },
                   [this](std::shared_ptr<Node> node) { dropped.push_back(node->text()); }}};

  std::shared_ptr<Cluster> make(Settings settings) {
    auto cluster = registry.find_or_make(std::move(settings));
    cluster->activate();
    return cluster;
  }
  void settle(const std::shared_ptr<Cluster>& cluster) {
    run_task(loop, monitor.settle({cluster}, Millis{5000}));
  }
  // Until one more probe of each node is over.
  event::Task<> round(std::size_t nodes) {
    const std::size_t enough = probed.size() + nodes * 2;
    while (probed.size() < enough) {
      monitor.tick();
      co_await event::Sleep(loop, Millis{2});
    }
  }
};

NodeState health(const std::shared_ptr<Cluster>& cluster, std::size_t index) {
  return (*cluster->members())[index].node->health();
}

}  // namespace

TEST_CASE("monitor: every node is probed at once, once active", "[cluster]") {
  Watch watch;
  findings["127.0.0.3:3306"] = {ReadOnly, {}, false};
  const auto cluster = watch.registry.find_or_make(monitored({"127.0.0.2", "127.0.0.3"}));
  watch.monitor.tick();
  CHECK(probed.empty());
  cluster->activate();
  watch.settle(cluster);
  CHECK(health(cluster, 0) == Available);
  CHECK(health(cluster, 1) == ReadOnly);
  CHECK(probed.size() == 2);
}

TEST_CASE("monitor: what is not monitored is not probed", "[cluster]") {
  Watch watch;
  const auto cluster = watch.make(plain({"127.0.0.2"}));
  watch.settle(cluster);
  CHECK(probed.empty());
}

TEST_CASE("monitor: probes again, and new nodes too", "[cluster]") {
  Watch watch;
  const auto cluster = watch.make(quick({"127.0.0.2"}));
  watch.settle(cluster);
  findings["127.0.0.2:3306"] = {Down, "refused", true};
  run_task(watch.loop, watch.round(1));
  CHECK(health(cluster, 0) == Down);
  cluster->set_nodes(nodes({"127.0.0.3", "127.0.0.2"}));
  watch.settle(cluster);
  CHECK(health(cluster, 0) == Available);
}

TEST_CASE("monitor: sessions are dropped by myproxy's rule", "[cluster]") {
  Watch watch;
  Settings settings = quick({"127.0.0.2", "127.0.0.3"});
  settings.disconnect_unavailable = true;
  settings.policy = find_policy("first");
  const auto cluster = watch.make(std::move(settings));
  watch.settle(cluster);
  const Choice open = cluster->choose({}, {});
  run_task(watch.loop, watch.round(2));
  CHECK(watch.dropped.empty());
  SECTION("a better node is there") {
    findings["127.0.0.2:3306"] = {ReadOnly, {}, false};
    run_task(watch.loop, watch.round(2));
    REQUIRE_FALSE(watch.dropped.empty());
    CHECK(watch.dropped.front() == "127.0.0.2:3306");
  }
  SECTION("all are equally bad") {
    findings["127.0.0.2:3306"] = findings["127.0.0.3:3306"] = {ReadOnly, {}, false};
    run_task(watch.loop, watch.round(2));
    watch.dropped.clear();  // of the moment when one was still better
    run_task(watch.loop, watch.round(2));
    CHECK(watch.dropped.empty());
  }
}

TEST_CASE("monitor: a name is looked up", "[cluster]") {
  Watch watch;
  const auto cluster = watch.make(monitored({"localhost"}));
  watch.settle(cluster);
  const auto addresses = (*cluster->members())[0].node->addresses();
  REQUIRE_FALSE(addresses.empty());
  for (const auto& address : addresses) CHECK(address.port() == 3306);
}

TEST_CASE("monitor: stops when nothing is under way", "[cluster]") {
  Watch watch;
  const auto cluster = watch.make(monitored({"127.0.0.2"}));
  watch.monitor.tick();
  bool idle = false;
  watch.monitor.stop([&] {
    idle = true;
    watch.loop.stop();
  });
  CHECK_FALSE(idle);
  watch.loop.run();
  CHECK(idle);
  CHECK(health(cluster, 0) == Available);
}

}  // namespace perilune::cluster
