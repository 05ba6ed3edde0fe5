#include "support/catch.hh"
#include "told.hh"

namespace perilune::script {

using test::caught;
using test::contains;
using test::Stage;
using test::told;

TEST_CASE("script metric: counters, gauges and histograms", "[script]") {
  const auto metrics = std::make_shared<stats::OwnMetrics>();
  HostOptions options;
  options.own_metrics = metrics;
  Stage stage{R"(local c = metric.counter('c_total', 'A counter')
                 c:add() c:add(2.5)
                 local g = metric.gauge('g', 'A gauge')
                 g:set(10) g:add(-3) g:add()
                 local h = metric.histogram('h', 'A histogram', {buckets = {1, 2}})
                 h:observe(0.5) h:observe(7))",
              options};
  stage.load();
  const auto all = metrics->all();
  REQUIRE(all.size() == 3);
  CHECK(all[0].metric->value() == 3.5);
  CHECK(all[1].metric->value() == 8);
  CHECK(all[2].metric->buckets() == std::vector<std::uint64_t>{1, 0, 1});
}

TEST_CASE("script metric: what is no metric", "[script]") {
  CHECK(contains(caught("metric.counter('c', 'x')"), "a counter's name ends with '_total'"));
  CHECK(contains(caught("metric.gauge('g')"), "2 arguments expected, got 1"));
  CHECK(contains(caught("metric.gauge('perilune_g', 'x')"), "are Perilune's"));
  CHECK(contains(caught("metric.counter('c_total', 'x'):add(-1)"), "a counter only grows"));
  CHECK(contains(caught("metric.gauge('g', 'x'):set(0/0)"), "a finite number expected"));
  CHECK(contains(caught("metric.gauge('g', 'x'):observe(1)"), "observe"));
  CHECK(contains(caught("metric.histogram('h', 'x', {buckets = {2, 1}})"), "bad 'buckets' value"));
  CHECK(contains(caught("metric.histogram('h', 'x', {buckets = {}})"), "at least one number"));
  CHECK(contains(caught("metric.gauge('g', 'x').set({}, 1)"), "gauge expected"));
}

TEST_CASE("script metric: the same name twice", "[script]") {
  CHECK(contains(caught("metric.gauge('x', 'y') metric.histogram('x', 'y')"), "is a gauge already"));
  CHECK(told("metric.gauge('x', 'y'):set(1) metric.gauge('x', 'y'):add(1) return 'well'") == "well");
}

TEST_CASE("script http: listeners of metrics and of the admin", "[script]") {
  Stage stage{R"(prometheus_listen('*')
                 prometheus_listen('/run/m.sock', {mode = 0600, group = 'monitoring'})
                 admin_listen()
                 admin_listen('127.0.0.1', {token_file = '/etc/token'}))"};
  const session::Declaration declared = stage.load();
  REQUIRE(declared.https.size() == 4);
  CHECK(declared.https[0].where.port() == 9100);
  CHECK(declared.https[1].rights.mode == 0600);
  CHECK(declared.https[1].rights.group == "monitoring");
  CHECK(declared.https[2].where.path() == "/run/perilune/admin.sock");
  CHECK(declared.https[2].rights.mode == 0660);
  CHECK(declared.https[3].where.port() == 9101);
  CHECK(declared.https[3].token_file == "/etc/token");
  CHECK(declared.has(session::HttpDeclaration::Service::Admin));
}

TEST_CASE("script http: what cannot be listened to", "[script]") {
  CHECK(contains(Stage{"admin_listen('*')"}.load_error(), "needs 'token_file'"));
  CHECK(contains(Stage{"prometheus_listen('*', {token_file = 'x'})"}.load_error(),
                 "unknown option 'token_file'"));
  CHECK(contains(Stage{"prometheus_listen('*', {mode = 0600})"}.load_error(),
                 "'mode' is only for unix sockets"));
  CHECK(contains(Stage{"prometheus_listen()"}.load_error(), "1 to 2 arguments expected"));
  CHECK(contains(Stage{"prometheus_listen('*') prometheus_listen('*:9100')"}.load_error(),
                 "has a listener already"));
  CHECK(contains(caught("prometheus_listen('*')"), "belongs to the main chunk"));
}

}  // namespace perilune::script
