#include "lua/memory.hh"

#include "bridge.hh"
#include "support/catch.hh"

namespace perilune::lua {

using test::Bridge;
using test::sleeps;

namespace {

constexpr const char* kRound = R"(
  local t = {}
  for i = 1, 20 do t[i] = 'item ' .. i end
  local f = coroutine.wrap(function() return sleep(0) .. #t end)
  return f() .. select(2, pcall(fail))
)";

// A load, a call, a wait in a coroutine, a failure, results: everything a callback does.
std::string round_with_failure_at(std::uint64_t n, std::uint64_t count, std::uint64_t& used) {
  Memory memory;
  memory.fail_at(n, count);
  try {
    Bridge bridge{memory};
    bridge.sources().put("module.lua", "return function() return 'module' end");
    std::string result = bridge.run(std::string("require('module')()") + kRound);
    used = bridge.state().memory().allocations();
    bridge.state().memory().fail_at(0);
    // Whatever happened: the state lives, and the next call works.
    CHECK(bridge.run("return require('module')() .. sleep(0.001)") == "moduleslept");
    return result;
  } catch (const Error& error) {  // the state was never made
    used = n;
    return std::string("error: ") + error.what();
  }
}

}  // namespace

TEST_CASE("lua memory: any allocation may fail, and the state lives", "[lua]") {
  const std::uint64_t in_a_row = GENERATE(1, 3, 1'000'000);
  int failures = 0;
  for (std::uint64_t n = 1;; ++n) {
    std::uint64_t used = 0;
    INFO("allocation " << n);
    const std::string result = round_with_failure_at(n, in_a_row, used);
    if (result == "slept20it failed" && used < n) break;
    if (result != "slept20it failed") {
      CHECK(result.find("not enough memory") != std::string::npos);
      ++failures;
    }
    REQUIRE(n < 20'000);
  }
  CHECK(failures > 100);
}

TEST_CASE("lua memory: a limit ends the call, not the state", "[lua]") {
  Memory memory;
  memory.set_limit(std::size_t{8} << 20);
  Bridge bridge{memory};
  CHECK(bridge.run("local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(100) .. i end") ==
        "error: not enough memory");
  CHECK(bridge.state().memory().used() < std::size_t{2} << 20);
  CHECK(bridge.run("local ok, e = pcall(string.rep, 'x', 1e8) return e") == "not enough memory");
  CHECK(bridge.run("return sleep(0.001)") == "slept");
}

TEST_CASE("lua memory: everything is given back", "[lua]") {
  event::Loop loop;
  Memory memory;
  memory.reallocate(nullptr, 0, 0);
  void* block = memory.reallocate(nullptr, 0, 100);
  block = memory.reallocate(block, 100, 50);
  CHECK(memory.used() == 50);
  memory.reallocate(block, 50, 0);
  CHECK(memory.used() == 0);
}

TEST_CASE("lua memory: garbage makes room for a large text", "[lua]") {
  Memory memory;
  memory.set_limit(std::size_t{20} << 20);
  Bridge bridge{memory};
  std::string text(1 << 20, ' ');
  for (std::size_t size : {1, 3, 2, 1, 2, 2, 1, 3, 2, 1, 1, 2}) {
    text.resize(size << 20, static_cast<char>('a' + size));
    Call call{bridge.state(), "test"};
    REQUIRE(call.start([&text](lua_State* L) {
      luaL_loadstring(L, "local text = ... return #(text .. '!')");
      push_text(L, text);
      return 2;
    }));
    CHECK(!call.failed());
    text.back() ^= 1;
  }
}

}  // namespace perilune::lua
