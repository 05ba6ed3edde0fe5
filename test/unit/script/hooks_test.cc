#include "script/hooks.hh"

#include <atomic>
#include <thread>

#include "event/timer.hh"
#include "stage.hh"
#include "support/catch.hh"
#include "told.hh"

namespace perilune::script {

using test::From;
using test::Play;
using test::with_login;

namespace {

// What the client and the log learn of a callback with this body.
struct Failed {
  explicit Failed(const std::string& body)
      : play(with_login(body)), said(Play::say(play.log_in())) {}
  bool logged(std::string_view part) const { return log().find(part) != std::string::npos; }
  std::string log() const { return const_cast<Play&>(play).log().text(); }
  Play play;
  std::string said;
};

}  // namespace

TEST_CASE("script hooks: what a handler lacks is not asked", "[script]") {
  Play play{"mysql_listen('*:1', {on_login = print})"};
  CHECK_FALSE(play.hooks().has_on_connect());
  CHECK_FALSE(play.hooks().has_on_command_phase());
  CHECK_FALSE(play.hooks().has_on_disconnect());
  CHECK(Play::say(play.connect()) == "proceed");
  CHECK(Play::say(play.command_phase()) == "proceed");
  play.disconnect();
}

TEST_CASE("script hooks: a login fails closed", "[script]") {
  for (const char* body :
       {"error('no')", "error({})", "return", "return nil", "return 5", "return login",
        "return client", "return client:err('a'), nil", "return client:err('a'), client:err('b')",
        "return setmetatable({}, {})", "return io.stdout", "return unpack({}, 1, 300)",
        "local function f() return f() + 1 end f()"}) {
    const Failed failed{body};
    CAPTURE(body);
    CHECK(failed.said == "Lua error");
    CHECK(failed.logged("callback=\"on_login\""));
    CHECK(const_cast<Failed&>(failed).play.stage().metrics().lua_errors.read() == 1);
  }
}

TEST_CASE("script hooks: the log has the session's name and a traceback", "[script]") {
  const Failed failed{
      "client.account = 'shop' local function deep() error('secret cause') end deep()"};
  CHECK(failed.logged("secret cause"));
  CHECK(failed.logged("in function 'deep'"));
  CHECK(failed.logged("127.0.0.1:4711 \"shop\""));
  CHECK(failed.said.find("secret") == std::string::npos);
}

TEST_CASE("script hooks: what on_connect and on_command_phase may return", "[script]") {
  const auto handler = [](const std::string& body) {
    return "mysql_listen('*:1', {on_login = print, on_connect = function(client) " + body +
           " end, on_command_phase = function(client) " + body +
           " end, on_disconnect = function(client) " + body + " end})";
  };
  Play nothing{handler("")};
  CHECK(Play::say(nothing.connect()) == "proceed");
  CHECK(Play::say(nothing.command_phase()) == "proceed");
  Play nil{handler("return nil")};
  CHECK(Play::say(nil.connect()) == "proceed");
  Play err{handler("return client:err('full')")};
  CHECK(Play::say(err.connect()) == "full");
  CHECK(Play::say(err.command_phase()) == "full");
  Play connect{handler("return client:connect('10.0.0.1', {})")};
  CHECK(Play::say(connect.connect()) == "Lua error");
  CHECK(Play::say(connect.command_phase()) == "Lua error");
  Play error{handler("error('no')")};
  CHECK(Play::say(error.command_phase()) == "Lua error");
  error.disconnect();
  CHECK(error.log().contains("callback=\"on_disconnect\""));
}

TEST_CASE("script hooks: in on_handshake_response the last value counts", "[script]") {
  Play play{
      "mysql_listen('*:1', {on_handshake_response = function(client, hr)"
      " return client:err('first'), client:err(hr.user .. ' last') end})"};
  CHECK(Play::say(play.log_in()) == "anna last");
  Play nil{
      "mysql_listen('*:1', {on_handshake_response = function(client)"
      " return client:err('first'), nil end})"};
  CHECK(Play::say(nil.log_in()) == "Lua error");
}

TEST_CASE("script hooks: an action is a value, reusable", "[script]") {
  Play play{
      "local cached mysql_listen('*:1', {on_login = function(client, login)"
      " cached = cached or client:connect('10.0.0.1', {user = 'u', password = 'secret'},"
      " {unchecked = true}) return cached end})"};
  for (int i = 0; i < 2; ++i) {
    const auto decision = play.log_in();
    CHECK(test::password_of(std::get<session::ConnectTo>(decision).credentials) == "'secret'");
  }
}

TEST_CASE("script hooks: unchecked logins", "[script]") {
  const std::string own = "return client:connect('10.0.0.1', {user = 'u', password = 'pw'}";
  const Failed refused{own + ")"};
  CHECK(refused.said == "Lua error");
  CHECK(refused.logged("nothing has checked this client's password"));
  CHECK_FALSE(refused.logged("pw"));
  const Failed set{"login.password = 'pw' return client:connect('10.0.0.1', login)"};
  CHECK(set.said == "Lua error");
  CHECK(Failed(own + ", {unchecked = true})").said == "connect");
  Play local{with_login(own + ")"), From::Unix};
  CHECK(Play::say(local.log_in()) == "connect");
}

TEST_CASE("script hooks: under myproxy's name unchecked logins warn once", "[script]") {
  Play play{
      "mysql_listen('127.0.0.1:1', {on_handshake_response = function(client, hr)"
      " return client:connect('10.0.0.1', {user = hr.user, password = 'pw'}) end})"};
  CHECK(Play::say(play.log_in()) == "connect");
  CHECK(Play::say(play.log_in()) == "connect");
  const std::string log = play.log().text();
  const auto first = log.find("logins are not checked");
  REQUIRE(first != std::string::npos);
  CHECK(log.find("logins are not checked", first + 1) == std::string::npos);
}

TEST_CASE("script hooks: a callback may wait", "[script]") {
  Play play{
      with_login("local a = mysql_resolve('localhost') sleep(0.001)"
                 " local none, why = mysql_resolve('no.such.host.invalid')"
                 " assert(none == nil and why:find('cannot resolve'))"
                 " return client:connect(a, login)")};
  CHECK(Play::say(play.log_in()) == "connect");
}

TEST_CASE("script hooks: waiting inside table.sort refuses", "[script]") {
  const Failed failed{"table.sort({2, 1}, function() sleep(1) end)"};
  CHECK(failed.said == "Lua error");
  CHECK(failed.logged("config.lua:2: sleep cannot wait inside table.sort"));
}

TEST_CASE("script hooks: callback_timeout includes waiting", "[script]") {
  Play play{"settings{callback_timeout = 0.05}" + with_login("sleep(60)")};
  CHECK(Play::say(play.log_in()) == "Lua error");
  CHECK(play.log().contains("callback exceeded callback_timeout"));
  Play spinning{"settings{callback_timeout = 0.05}" + with_login("while true do sleep(0) end")};
  CHECK(Play::say(spinning.log_in()) == "Lua error");
  Play yielded{"settings{callback_timeout = 0.05}" + with_login("coroutine.yield()")};
  CHECK(Play::say(yielded.log_in()) == "Lua error");
}

TEST_CASE("script hooks: other Lua code may resume a callback, whose action counts", "[script]") {
  Play play{"function reload() coroutine.resume(suspended, 'resumed') end " +
            with_login("suspended = coroutine.running()"
                       " return client:err(coroutine.yield())")};
  auto login = play.hooks().on_login(Play::anna(), play.challenger());
  REQUIRE(login.start({}));
  auto reload = play.stage().host().call_reload();
  CHECK_FALSE(reload.start({}));
  perilune::test::run_task(play.stage().loop(), [](event::Loop& loop) -> event::Task<> {
    co_await event::Sleep(loop, Millis{1});
  }(play.stage().loop()));
  REQUIRE(login.done());
  CHECK(Play::say(login.take()) == "resumed");
}

TEST_CASE("script hooks: a client that goes away cancels its callback", "[script]") {
  Play play{"reached = false function reload() sleep(0.01) print(tostring(reached)) end " +
            with_login("sleep(0.001) reached = true")};
  {
    auto login = play.hooks().on_login(Play::anna(), play.challenger());
    REQUIRE(login.start({}));
  }
  play.end_session();
  perilune::test::run_task(play.stage().loop(), play.stage().host().call_reload());
  CHECK(play.log().contains("print: false"));
}

TEST_CASE("script hooks: a callback that never ends is aborted", "[script]") {
  Play play{"settings{callback_cpu_limit = 0.03}" +
            with_login("if login.user == 'otto' then return client:err('fine') end"
                       " while true do pcall(function() while true do local t = {} end end) end")};
  const auto watch = play.stage().host().share_watch();
  std::jthread control{[watch](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      watch->check();
      std::this_thread::sleep_for(Millis{5});
    }
  }};
  CHECK(Play::say(play.log_in()) == "Lua error");
  CHECK(play.log().contains("callback exceeded callback_cpu_limit"));
  CHECK(play.stage().metrics().lua_aborts.read() == 1);
  session::Login otto;
  otto.user = "otto";
  CHECK(Play::say(play.log_in(otto)) == "fine");
}

TEST_CASE("script hooks: any allocation in a callback may fail", "[script]") {
  Play play{
      with_login("local t = {} for i = 1, 10 do t[i] = login.user .. i end"
                 " client.notes.t = t sleep(0) local a = mysql_resolve('127.0.0.1')"
                 " return client:connect(a, login)")};
  lua::Memory& memory = play.stage().host().state().memory();
  int failures = 0;
  for (std::uint64_t n = 1;; ++n) {
    const std::uint64_t before = memory.allocations();
    memory.fail_at(n);
    const std::string said = Play::say(play.log_in());
    const bool reached = memory.allocations() - before >= n;
    memory.fail_at(0);
    CHECK(Play::say(play.log_in()) == "connect");
    if (said != "connect") ++failures;
    if (!reached) break;
    REQUIRE(n < 5000);
  }
  CHECK(failures > 5);
}

TEST_CASE("script hooks: any allocation in the other callbacks may fail", "[script]") {
  const std::string body =
      " local t = {} for i = 1, 100 do t[i] = client.id .. i end client.notes.t = t sleep(0)"
      " fine = (fine or 0) + 1 end";
  Play play{"mysql_listen('*:1', {on_login = print, on_connect = function(client)" + body +
            ", on_command_phase = function(client)" + body + ", on_disconnect = function(client)" +
            body + "})"};
  const int which = GENERATE(0, 1, 2);
  const auto ask = [&play, which] {
    if (which == 0) play.connect();
    if (which == 1) play.command_phase();
    if (which == 2) play.disconnect();
  };
  lua::Memory& memory = play.stage().host().state().memory();
  const auto fine = [&play] { return test::global_number(play.stage(), "fine"); };
  int failures = 0;
  for (std::uint64_t n = 1;; ++n) {
    const double told = fine();
    const std::uint64_t before = memory.allocations();
    memory.fail_at(n);
    ask();
    const bool reached = memory.allocations() - before >= n;
    memory.fail_at(0);
    const double now = fine();
    if (now == told) ++failures;
    ask();
    CHECK(fine() == now + 1);
    if (!reached) break;
    REQUIRE(n < 5000);
  }
  CHECK(failures > 5);
}

TEST_CASE("script hooks: sessions keep their generation alive", "[script]") {
  Play play{with_login("return client:err('old')")};
  play.stage().drop_host();
  CHECK(Play::say(play.log_in()) == "old");
}

TEST_CASE("script hooks: a configuration of myproxy runs, with its files beside it", "[script]") {
  Play play{test::FromDisk{"myproxy/config.lua"}};
  CHECK(Play::say(play.connect()) == "proceed");
  const auto decision = play.log_in();
  const auto& to = std::get<session::ConnectTo>(decision);
  CHECK(std::get<net::Address>(to.target).text() == "127.0.0.1:3307");
  CHECK(to.login.user == "db_anna");
  CHECK(to.login.database == "shop");
  CHECK(test::password_of(to.credentials) == "'known'");
  play.session().server_version = "10.11";
  CHECK(Play::say(play.command_phase()) == "proceed");
  CHECK(play.log().contains("print: anna\\t10.11"));
  session::Login otto;
  otto.user = "otto";
  CHECK(Play::say(play.log_in(otto)) == "Unknown account");
}

}  // namespace perilune::script
