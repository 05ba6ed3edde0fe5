#include "lua/call.hh"

#include <optional>

#include "bridge.hh"
#include "support/catch.hh"

namespace perilune::lua {

using test::Bridge;
using test::sleeps;

TEST_CASE("lua call: returns what the function returns", "[lua]") {
  Bridge bridge;
  CHECK(bridge.run("return 6 * 7") == "42");
  CHECK(bridge.run("return") == "nothing");
  CHECK(bridge.run("error('no')") == "error: script:1: no");
  CHECK(bridge.run("error({})") == "error: error object is a table");
  CHECK(bridge.run("error(17, 0)") == "error: 17");
  CHECK(bridge.run("return 'after errors'") == "after errors");
}

TEST_CASE("lua call: a call that does not wait reuses one coroutine", "[lua]") {
  Bridge bridge;
  const std::string first = bridge.run("return tostring(coroutine.running())");
  CHECK(bridge.run("return tostring(coroutine.running())") == first);
}

TEST_CASE("lua call: a failed call has a traceback", "[lua]") {
  Bridge bridge;
  Call call{bridge.state(), "test"};
  REQUIRE(call.start([](lua_State* L) {
    return Bridge::push_chunk(L, "local function inner() error('no') end\ninner() return 1");
  }));
  REQUIRE(call.failed());
  CHECK(call.failure().traceback.find("in function 'inner'") != std::string::npos);
  CHECK_FALSE(call.failure().aborted);
}

TEST_CASE("lua call: waits through whatever Lua offers", "[lua]") {
  Bridge bridge;
  const char* script = GENERATE(
      "return sleep(0.001)", "local ok, r = pcall(sleep, 0.001) return ok and r",
      "local ok, r = pcall(function() return sleep(0.001) end) return ok and r",
      "local ok, r = xpcall(function() return sleep(0.001) end, debug.traceback) return ok and r",
      "local f = coroutine.wrap(function() return sleep(0.001) end) return f()",
      "local co = coroutine.create(function(a) return sleep(a) end)"
      " local ok, r = coroutine.resume(co, 0.001) assert(coroutine.status(co) == 'dead') return r",
      "local f = coroutine.wrap(function()"
      "  local g = coroutine.wrap(function()"
      "    coroutine.yield(sleep(0.001)) sleep(0.001) coroutine.yield('second')"
      "  end)"
      "  assert(g() == 'slept') coroutine.yield(g())"
      " end) assert(f() == 'second') return 'slept'",
      "local r for v in function(_, last) if not last then return sleep(0.001) end end do r = v end"
      " return r",
      "return setmetatable({}, {__index = function() return sleep(0.001) end}).x",
      "return setmetatable({}, {__call = function() return sleep(0.001) end})()",
      "return -setmetatable({}, {__unm = function() return sleep(0.001) end})",
      "return setmetatable({}, {__concat = function() return sleep(0.001) end}) .. 'x'",
      "local t = setmetatable({}, {__lt = function() sleep(0.001) return true end})"
      " return t < setmetatable({}, getmetatable(t)) and 'slept'",
      "local t = setmetatable({}, {__newindex = function(t, k, v) rawset(t, k, sleep(v)) end})"
      " t.x = 0.001 return t.x",
      "return load(function() sleep(0.001) return nil end) and 'slept'",
      "local pieces = {'return ', 'sleep(0.001)'} local i = 0"
      " return load(function() i = i + 1 return pieces[i] end)()",
      "return loadstring('return sleep(0.001)')()");
  CAPTURE(script);
  CHECK(bridge.run(script) == "slept");
  CHECK(sleeps.finished > 0);
}

TEST_CASE("lua call: waits through require, dofile and loadfile", "[lua]") {
  Bridge bridge;
  bridge.sources().put("module.lua", "sleep(0.001) return {name = ..., value = sleep(0.001)}");
  bridge.sources().put("plain.lua", "#!/usr/bin/lua\nreturn sleep(0.001)");
  CHECK(bridge.run("local m = require 'module' assert(m.name == 'module') return m.value") ==
        "slept");
  CHECK(bridge.run("return require('module') == require('module')") == "true");
  CHECK(bridge.run("return dofile('plain.lua')") == "slept");
  CHECK(bridge.run("return loadfile('plain.lua')()") == "slept");
}

TEST_CASE("lua require: errors as Lua's own", "[lua]") {
  Bridge bridge;
  bridge.sources().put("broken.lua", "return +");
  bridge.sources().put("loop.lua", "return require 'loop'");
  CHECK(bridge.run("require 'nosuch'").find("module 'nosuch' not found") != std::string::npos);
  CHECK(bridge.run("require 'broken'").find("broken.lua:1: unexpected symbol") !=
        std::string::npos);
  CHECK(bridge.run("require 'loop'").find("loop loading module 'loop'") != std::string::npos);
  CHECK(bridge.run("require {}").find("string expected, got table") != std::string::npos);
  CHECK(bridge.run("dofile 'nosuch.lua'") ==
        "error: cannot open nosuch.lua: No such file or directory");
  CHECK(bridge.run("return package.loaded.string == require 'string'") == "true");
}

TEST_CASE("lua call: what was waited for may fail", "[lua]") {
  Bridge bridge;
  CHECK(bridge.run("local x = fail() return x") == "error: script:1: it failed");
  CHECK(bridge.run("local ok, e = pcall(fail) return e") == "it failed");
  CHECK(bridge.run("local ok, e = pcall(function() fail() end) return e") == "script:1: it failed");
  CHECK(bridge.run("sleep(-1)").find("script:1: bad argument #1 to 'sleep'") != std::string::npos);
  CHECK(bridge.run("sleep({})") ==
        "error: script:1: bad argument #1 to 'sleep' (number expected, got table)");
  CHECK(sleeps.started == 0);
}

TEST_CASE("lua call: nothing waits inside a C function, and nothing is started", "[lua]") {
  Bridge bridge;
  const std::string sort = "error: script:1: sleep cannot wait inside table.sort";
  CHECK(bridge.run("table.sort({2, 1}, function() sleep(0.001) end)") == sort);
  CHECK(bridge.run("table.sort({2, 1}, function() pcall(error) sleep(0.001) end)") == sort);
  CHECK(bridge.run("table.sort({2, 1}, function() "
                   "coroutine.wrap(function() sleep(0.001) end)() end)") == sort);
  CHECK(bridge.run("table.sort({2, 1}, function() coroutine.wrap(function()"
                   " coroutine.wrap(function() sleep(0.001) end)() end)() end)") == sort);
  CHECK(bridge.run("coroutine.wrap(function()"
                   " table.sort({2, 1}, function() sleep(0.001) end) end)()") == sort);
  CHECK(bridge.run("('a'):gsub('.', function() sleep(0.001) end)") ==
        "error: script:1: sleep cannot wait inside string.gsub");
  CHECK(sleeps.started == 0);
  CHECK(bridge.run("table.sort({2, 1}, function(a, b) pcall(sleep, 1) return a < b end)"
                   " return sleep(0.001)") == "slept");
  CHECK(sleeps.started == 1);
}

TEST_CASE("lua call: calls wait side by side", "[lua]") {
  Bridge bridge;
  auto both = [](Bridge& b) -> event::Task<std::string> {
    event::TaskGroup group{b.loop()};
    std::string order;
    auto one = [](Bridge& in, std::string script, std::string& out) -> event::Task<> {
      const std::string result = co_await in.call(script);
      out += result;
    };
    group.spawn(one(b, "sleep(0.02) return 'late '", order));
    group.spawn(one(b, "sleep(0.001) return 'early '", order));
    while (order.size() < 11) co_await event::Sleep(b.loop(), Millis{1});
    co_return order;
  };
  CHECK(perilune::test::run_task(bridge.loop(), both(bridge)) == "early late ");
}

TEST_CASE("lua call: destroying it cancels what it waits for", "[lua]") {
  Bridge bridge;
  bridge.run("after = false");
  {
    auto task = bridge.call("coroutine.wrap(function() sleep(0.001) end)() after = true");
    CHECK(task.start({}));
    CHECK(sleeps.started == 1);
  }
  bridge.run("sleep(0.01)");
  CHECK(sleeps.finished == 1);
  CHECK(bridge.run("return after") == "false");
}

TEST_CASE("lua call: other Lua code cannot resume what waits", "[lua]") {
  Bridge bridge;
  auto task = bridge.call("waiter = coroutine.running() return sleep(0.03)");
  REQUIRE(task.start({}));
  CHECK(bridge.run("local ok, e = coroutine.resume(waiter) return e") ==
        "cannot resume waiting coroutine");
  CHECK(bridge.run("return coroutine.status(waiter)") == "suspended");
  bridge.run("sleep(0.05)");
  REQUIRE(task.done());
  CHECK(task.take() == "slept");
}

TEST_CASE("lua call: other Lua code resumes a call that has yielded", "[lua]") {
  Bridge bridge;
  auto task = bridge.call(
      "co = coroutine.running() local a = coroutine.yield('out')"
      " sleep(0.001) return a");
  REQUIRE(task.start({}));
  CHECK(bridge.run("return coroutine.status(co)") == "suspended");
  CHECK(bridge.run("local ok, a = coroutine.resume(co, 'in') return a") == "in");
  bridge.run("sleep(0.001)");
  REQUIRE(task.done());
  CHECK(task.take() == "in");
  CHECK(bridge.run("return coroutine.resume(co)") == "false");
}

TEST_CASE("lua call: an error after being resumed by other code is the call's too", "[lua]") {
  Bridge bridge;
  auto task = bridge.call("co = coroutine.running() coroutine.yield() error('no')");
  REQUIRE(task.start({}));
  CHECK(bridge.run("local ok, e = coroutine.resume(co) return e") == "script:1: no");
  bridge.run("sleep(0.001)");
  REQUIRE(task.done());
  CHECK(task.take() == "error: script:1: no");
}

TEST_CASE("lua call: the resumer of a waiting call may vanish", "[lua]") {
  Bridge bridge;
  auto yielded = bridge.call("co = coroutine.running() coroutine.yield() return sleep(0.001)");
  REQUIRE(yielded.start({}));
  {
    auto resumer = bridge.call("return coroutine.resume(co)");
    REQUIRE(resumer.start({}));
  }
  CHECK(bridge.run("sleep(0.005) local ok, e = coroutine.resume(co) return e") ==
        "cannot resume waiting coroutine");
  CHECK_FALSE(yielded.done());
}

TEST_CASE("lua call: coroutines keep their own behaviour", "[lua]") {
  Bridge bridge;
  CHECK(bridge.run("return select('#', coroutine.resume(coroutine.create(function() end)))") ==
        "1");
  CHECK(bridge.run("local co = coroutine.create(function(...) return select('#', ...) end)"
                   " local _, n = coroutine.resume(co, nil, nil) return n") == "2");
  CHECK(bridge.run("local f = coroutine.wrap(function() error('x', 0) end) return select(2,"
                   " pcall(f))") == "x");
  CHECK(bridge.run("local co co = coroutine.create(function() return coroutine.resume(co) end)"
                   " local ok, inner = coroutine.resume(co) return ok and not inner") == "true");
  CHECK(bridge.run("return pcall(coroutine.resume, 5)") == "false");
  CHECK(bridge
            .run("local me = coroutine.running() local co = coroutine.create(function()"
                 " return select(2, coroutine.resume(me)) end)"
                 " local _, e = coroutine.resume(co) return e .. sleep(0.001)")
            .find("slept") != std::string::npos);
}

TEST_CASE("lua call: many coroutines do not stay alive", "[lua]") {
  Bridge bridge;
  bridge.run(
      "function churn() for i = 1, 1000 do"
      " local f = coroutine.wrap(function() coroutine.yield(1) end) f() end"
      " collectgarbage() collectgarbage() return collectgarbage('count') end churn()");
  const double before = std::stod(bridge.run("return churn()"));
  const double after = std::stod(bridge.run("return churn()"));
  CHECK(after < before + 50);
}

TEST_CASE("lua call: a loop over waits that take no time lets the loop turn", "[lua]") {
  Bridge bridge;
  auto task = bridge.call("while not stop do sleep(0) end return 'stopped'");
  REQUIRE(task.start({}));
  CHECK(bridge.run("sleep(0.005) stop = true sleep(0.001)") == "nothing");
  REQUIRE(task.done());
  CHECK(task.take() == "stopped");
}

TEST_CASE("lua call: a bare yield fails where nothing can resume it", "[lua]") {
  Bridge bridge;
  Call call{bridge.state(), "main chunk"};
  call.refuse_bare_yields();
  REQUIRE(call.start([](lua_State* L) { return Bridge::push_chunk(L, "coroutine.yield()"); }));
  CHECK(call.failure().message == "yielded where nothing can resume it");
}

TEST_CASE("lua call: a long chunk lets the loop turn", "[lua]") {
  Bridge bridge;
  auto long_chunk = [](Bridge& b, int& turns) -> event::Task<std::string> {
    event::PeriodicTimer timer{b.loop(), Millis{1}, [&turns] { ++turns; }};
    Call call{b.state(), "main chunk"};
    call.yield_regularly();
    const bool ended = call.start([](lua_State* L) {
      return Bridge::push_chunk(L,
                                "local t = os.clock() while os.clock() - t < 0.1 do end"
                                " return pcall(function() return true end)");
    });
    if (!ended) co_await call.finish();
    co_return Bridge::outcome(call);
  };
  int turns = 0;
  CHECK(perilune::test::run_task(bridge.loop(), long_chunk(bridge, turns)) == "true");
  CHECK(turns >= 5);
}

TEST_CASE("lua call: the loop turns wherever the chunk computes", "[lua]") {
  Bridge bridge;
  bridge.sources().put("module.lua", "spin() return {value = 'required'}");
  auto chunk = [](Bridge& b) -> event::Task<std::string> {
    Call call{b.state(), "main chunk"};
    call.yield_regularly();
    const bool ended = call.start([](lua_State* L) {
      return Bridge::push_chunk(L, R"(
        function spin() local t = os.clock() while os.clock() - t < 0.012 do end return 'spun' end
        local meta = setmetatable({}, {__index = spin, __lt = spin, __concat = spin, __call = spin,
                                       __newindex = spin, __eq = spin})
        local out = {spin(), select(2, pcall(spin)), meta.x, meta < setmetatable({}, getmetatable(meta)),
                     meta .. 'x', meta(), coroutine.wrap(spin)(), require('module').value}
        meta.y = 1
        for v in function(_, last) return not last and spin() or nil end do out[#out + 1] = v end
        table.sort({3, 1, 2}, function(a, b) spin() return a < b end)
        for i, v in ipairs(out) do out[i] = tostring(v) end
        return table.concat(out, ' '))");
    });
    CHECK_FALSE(ended);
    if (!ended) co_await call.finish();
    co_return Bridge::outcome(call);
  };
  CHECK(perilune::test::run_task(bridge.loop(), chunk(bridge)) ==
        "spun spun spun true spun spun spun required spun");
}

TEST_CASE("lua load: modes and environments", "[lua]") {
  Bridge bridge;
  CHECK(bridge.run("return select(2, load(string.dump(function() end), 'x', 't'))") ==
        "attempt to load chunk with wrong mode");
  CHECK(bridge.run("return select(2, load('return 1', 'x', 'b'))") ==
        "attempt to load chunk with wrong mode");
  CHECK(bridge.run("return load(string.dump(function() return 5 end), 'x', 'bt')()") == "5");
  CHECK(bridge.run("return load('return y', 'x', 't', {y = 7})()") == "7");
  CHECK(bridge.run("return select(2, load('x x', '=name'))").find("name:1:") == 0);
  CHECK(bridge.run("return select(2, loadstring('x x'))").find("[string \"x x\"]:1:") == 0);
}

}  // namespace perilune::lua
