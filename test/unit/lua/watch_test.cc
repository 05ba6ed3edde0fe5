#include "lua/watch.hh"

#include <atomic>
#include <thread>
#include <vector>

#include "bridge.hh"
#include "support/catch.hh"

namespace perilune::lua {

using test::Bridge;

namespace {

// The control thread: checks every few milliseconds.
class Checker {
 public:
  explicit Checker(std::shared_ptr<Watch> watch)
      : watch_(std::move(watch)), thread_([this](std::stop_token stop) { run(stop); }) {}
  bool saw(Watch::Report::State state) const {
    return (seen_.load() & (1U << static_cast<unsigned>(state))) != 0;
  }
  const char* last_stuck() const { return stuck_.load(); }

 private:
  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const auto report = watch_->check();
      seen_.fetch_or(1U << static_cast<unsigned>(report.state));
      if (report.state == Watch::Report::State::Stuck) stuck_.store(report.callback);
      std::this_thread::sleep_for(Millis{5});
    }
  }

  std::shared_ptr<Watch> watch_;
  std::atomic<unsigned> seen_{0};
  std::atomic<const char*> stuck_{""};
  std::jthread thread_;
};

constexpr const char* kExceeded = "callback exceeded callback_cpu_limit";

}  // namespace

TEST_CASE("lua watch: what never ends is aborted", "[lua]") {
  Bridge bridge;
  bridge.state().watch().set_limit(Millis{30});
  Checker checker{bridge.state().share_watch()};
  // The loops allocate: ThreadSanitizer delivers signals only where the thread enters its runtime.
  const char* script = GENERATE(
      "while true do local t = {} end",
      "while true do pcall(function() while true do local t = {} end end) end",
      "local function f() return pcall(function() while true do local t = {} end end) end"
      " pcall(function() while true do f() end end) while true do local t = {} end",
      "while true do local t = {} xpcall(error, function() while true do local t = {} end end) end",
      "while true do coroutine.wrap(function() while true do local t = {} end end)() end",
      "while true do coroutine.resume(coroutine.create(function() error({}) end)) end",
      "table.sort({3, 2, 1}, function() while true do local t = {} end end)",
      "local function f() local t = {} return f() end f()",
      "repeat local ok = pcall(error, {}) until false");
  CAPTURE(script);
  Call call{bridge.state(), "test"};
  REQUIRE(call.start([script](lua_State* L) { return Bridge::push_chunk(L, script); }));
  REQUIRE(call.failed());
  CHECK(call.failure().aborted);
  CHECK(call.failure().message.find(kExceeded) != std::string::npos);
  CHECK(call.failure().message.starts_with("script:1: "));
  CHECK(bridge.run("local n = 0 for i = 1, 1000 do n = n + 1 end return n") == "1000");
}

#ifndef __SANITIZE_THREAD__
TEST_CASE("lua watch: an empty loop is aborted", "[lua]") {
  Bridge bridge;
  bridge.state().watch().set_limit(Millis{30});
  Checker checker{bridge.state().share_watch()};
  CHECK(bridge.run("while true do end").find(kExceeded) != std::string::npos);
  CHECK(bridge.run("local s = 0 for i = 1, 1e12 do s = s + i end").find(kExceeded) !=
        std::string::npos);
}
#endif

TEST_CASE("lua watch: waiting costs nothing", "[lua]") {
  Bridge bridge;
  bridge.state().watch().set_limit(Millis{40});
  Checker checker{bridge.state().share_watch()};
  CHECK(bridge.run("for i = 1, 20 do sleep(0.01) end return 'done'") == "done");
  CHECK_FALSE(checker.saw(Watch::Report::State::Aborting));
}

TEST_CASE("lua watch: many short entries are not one long one", "[lua]") {
  Bridge bridge;
  bridge.state().watch().set_limit(Millis{30});
  Checker checker{bridge.state().share_watch()};
  CHECK(bridge.run("for i = 1, 12 do local t = os.clock()"
                   " while os.clock() - t < 0.01 do end sleep(0.001) end return 'done'") == "done");
}

TEST_CASE("lua watch: an abort ends only its own entry", "[lua]") {
  Bridge bridge;
  bridge.state().watch().set_limit(Millis{10});
  Checker checker{bridge.state().share_watch()};
  for (int i = 0; i < 20; ++i) {
    CHECK(bridge.run("while true do local t = {} end").find(kExceeded) != std::string::npos);
    CHECK(bridge.run("return 'short'") == "short");
  }
}

namespace {

// A C function that computes, or only blocks, for 150 ms.
int compute(lua_State*) {
  const auto end = Clock::now() + Millis{150};
  while (Clock::now() < end) continue;
  return 0;
}
int block(lua_State*) {
  std::this_thread::sleep_for(Millis{150});
  return 0;
}

}  // namespace

TEST_CASE("lua watch: what is stuck in C is reported, and aborted once it is back", "[lua]") {
  const auto function = GENERATE(&compute, &block);
  Bridge bridge;
  bridge.state().watch().set_limit(Millis{10});
  bridge.state().watch().set_grace(Millis{30});
  Checker checker{bridge.state().share_watch()};
  Call call{bridge.state(), "test"};
  call.start([function](lua_State* L) {
    Bridge::push_chunk(L, "local f = ... f() f() while true do local t = {} end");
    lua_pushcfunction(L, function);
    return 2;
  });
  CHECK(call.failed());
  CHECK(checker.saw(Watch::Report::State::Stuck));
  CHECK(std::string(checker.last_stuck()) == "test");
  CHECK(call.failure().aborted);
}

}  // namespace perilune::lua
