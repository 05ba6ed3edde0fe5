#include "support/catch.hh"
#include "told.hh"

namespace perilune::script {

using test::contains;
using test::global_number;
using test::Stage;
using test::turn_until;

namespace {

// A script that was loaded and has taken over.
struct Running : Stage {
  explicit Running(std::string script, HostOptions options = {})
      : Stage(std::move(script), std::move(options)) {
    load();
    host().commit();
  }
  bool counts_to(double number) {
    return turn_until(*this, [this, number] { return global_number(*this, "n") >= number; });
  }
};

}  // namespace

TEST_CASE("script every: runs again and again, and may wait", "[script]") {
  Running running{"n = 0 every(0.001, function() sleep(0.001) n = n + 1 end)"};
  CHECK(running.counts_to(3));
}

TEST_CASE("script every: nothing runs before the script has taken over", "[script]") {
  Stage stage{"n = 0 every(0.001, function() n = n + 1 end)"};
  stage.load();
  int turns = 0;
  turn_until(stage, [&turns] { return ++turns == 20; });
  CHECK(global_number(stage, "n") == 0);
  stage.host().commit();
  CHECK(turn_until(stage, [&stage] { return global_number(stage, "n") > 0; }));
}

TEST_CASE("script every: a run that takes long is not overlapped", "[script]") {
  Running running{
      "n, most, inside = 0, 0, 0 every(0.001, function() inside = inside + 1 "
      "most = math.max(most, inside) sleep(0.005) inside = inside - 1 n = n + 1 end)"};
  CHECK(running.counts_to(3));
  CHECK(global_number(running, "most") == 1);
}

TEST_CASE("script every: errors are logged, and it goes on", "[script]") {
  Running running{"n = 0 every(0.001, function() n = n + 1 if n == 1 then error('oops') end end)"};
  CHECK(running.counts_to(3));
  CHECK(running.log().contains("callback failed"));
  CHECK(running.log().contains("oops"));
  CHECK(running.metrics().lua_errors.read() == 1);
}

TEST_CASE("script every: callback_timeout ends a run, not the timer", "[script]") {
  Running running{
      "settings{callback_timeout = 0.05} n = 0 "
      "every(0.001, function() n = n + 1 if n == 1 then sleep(1000) end end)"};
  CHECK(running.counts_to(3));
  CHECK(running.log().contains("every exceeded callback_timeout"));
}

TEST_CASE("script every: once is for the first worker", "[script]") {
  const auto script =
      "n, m = 0, 0 every(0.001, function() n = n + 1 end, {once = true}) "
      "every(0.001, function() m = m + 1 end)";
  HostOptions other;
  other.first_worker = false;
  Running first{script};
  Running second{script, other};
  CHECK(first.counts_to(2));
  CHECK(turn_until(second, [&second] { return global_number(second, "m") >= 5; }));
  CHECK(global_number(second, "n") == 0);
}

TEST_CASE("script every: stopping and the host's end cancel what waits", "[script]") {
  Running running{
      "n = 0 every(0.001, function() n = n + 1 sleep(1000) end) "
      "every(0.001, function() n = n + 10 end)"};
  CHECK(running.counts_to(11));
  running.host().stop_timers();
  const double before = global_number(running, "n");
  int turns = 0;
  turn_until(running, [&turns] { return ++turns == 20; });
  CHECK(global_number(running, "n") == before);
}

TEST_CASE("script every: the host's end cancels what waits", "[script]") {
  Running running{"n = 0 every(0.001, function() n = n + 1 sleep(1000) end)"};
  CHECK(running.counts_to(1));
  const std::weak_ptr<Host> host = running.share_host();
  running.drop_host();
  CHECK(host.expired());
}

TEST_CASE("script every: mistakes", "[script]") {
  const auto error_of = [](const std::string& call) { return Stage{call}.load_error(); };
  CHECK(contains(error_of("every(0, print)"), "bad argument #1 to 'every' (more than 0 expected)"));
  CHECK(contains(error_of("every(-1, print)"), "bad argument #1 to 'every'"));
  CHECK(contains(error_of("every('x', print)"), "number expected, got string"));
  CHECK(contains(error_of("every(1)"), "function expected, got no value"));
  CHECK(contains(error_of("every(1, print, {Once = true})"),
                 "unknown option 'Once', did you mean 'once'?"));
  CHECK(test::caught("every(1, print)").ends_with("every belongs to the main chunk"));
}

}  // namespace perilune::script
