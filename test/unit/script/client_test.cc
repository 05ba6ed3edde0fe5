#include "script/client.hh"

#include <sys/types.h>
#include <unistd.h>

#include "stage.hh"
#include "support/catch.hh"

namespace perilune::script {

using test::From;
using test::Play;
using test::telling;
using test::with_login;

namespace {

std::string told(const std::string& body, From from = From::Tcp) {
  Play play{telling(body), from};
  return Play::say(play.log_in());
}

// The decision of a script whose on_login returns this expression.
struct Connected {
  explicit Connected(const std::string& body, From from = From::Unix)
      : play(with_login(body), from), decision(play.log_in()) {}
  const session::ConnectTo& to() const { return std::get<session::ConnectTo>(decision); }
  std::string said() const { return Play::say(decision); }
  Play play;
  session::Decision decision;
};

std::string target_text(const session::ConnectTo& to) {
  if (const auto* address = std::get_if<net::Address>(&to.target)) return address->text();
  const auto& name = std::get<net::HostName>(to.target);
  return name.host + " " + std::to_string(name.port);
}

}  // namespace

TEST_CASE("script client: attributes", "[script]") {
  CHECK(told("return client.id .. client.protocol .. tostring(client.address)") ==
        "17mysql127.0.0.1:4711");
  CHECK(told("return tostring(client.account) .. tostring(client.tls) .. tostring(client.server)"
             " .. tostring(client.pid) .. tostring(client.cgroup)") == "nilnilnilnilnil");
  CHECK(told("return client.bytes_in + client.bytes_out + client.queries") == "0");
  CHECK(told("return math.abs(client.connected_at - now()) < 5") == "true");
  CHECK(told("return client.uid .. ' ' .. client.gid .. ' ' .. client.pid", From::Unix) ==
        std::to_string(getuid()) + " " + std::to_string(getgid()) + " " + std::to_string(getpid()));
}

TEST_CASE("script client: account and server_version are written", "[script]") {
  Play play{
      telling("client.account = 'shop' client.server_version = '8\\0x' return client.account"
              " .. client.server_version")};
  CHECK(Play::say(play.log_in()) == "shop8");
  CHECK(play.session().account == "shop");
  CHECK(told("client.account = 5 client.account = nil return client.account") == "nil");
  CHECK(told("return select(2, pcall(function() client.account = '' end))")
            .ends_with("Empty string not allowed"));
  CHECK(told("return select(2, pcall(function() client.account = {} end))")
            .find("string expected, got table") != std::string::npos);
}

TEST_CASE("script client: what is unknown raises", "[script]") {
  CHECK(told("return select(2, pcall(function() return client.nosuch end))")
            .find("Unknown attribute 'nosuch'") != std::string::npos);
  CHECK(told("return select(2, pcall(function() client.notes = {} end))")
            .find("Unknown attribute 'notes'") != std::string::npos);
}

TEST_CASE("script client: stale after the end, notes until then", "[script]") {
  Play play{R"(
    mysql_listen('*:1', {
      on_connect = function(client) client.notes.seen = 1 collectgarbage() end,
      on_login = function(client)
        kept = client
        collectgarbage() collectgarbage()
        return client:err('seen ' .. client.notes.seen)
      end,
      on_disconnect = function(client) assert(client == kept) client.notes.seen = 3 end,
    })
    function reload()
      for _, f in ipairs{function() return kept.id end, function() return kept.err end,
                         function() kept.account = 'x' end} do
        print(select(2, pcall(f)))
      end
    end
  )"};
  CHECK(Play::say(play.connect()) == "proceed");
  CHECK(Play::say(play.log_in()) == "seen 1");
  play.disconnect();
  CHECK(play.stage().metrics().lua_errors.read() == 0);
  play.end_session();
  perilune::test::run_task(play.stage().loop(), play.stage().host().call_reload());
  const std::string log = play.log().text();
  std::size_t stale = 0;
  for (std::size_t at = 0; (at = log.find("Stale object", at)) != std::string::npos; ++at) ++stale;
  CHECK(stale == 3);
}

TEST_CASE("script client: the object lives only while the script holds it", "[script]") {
  Play play{R"(
    weak = setmetatable({}, {__mode = 'k'})
    mysql_listen('*:1', {
      on_connect = function(client) weak[client] = true end,
      on_login = function(client)
        collectgarbage() collectgarbage()
        local n = 0 for c in pairs(weak) do if c ~= client then n = n + 1 end end
        return client:err(tostring(n))
      end})
  )"};
  play.connect();
  CHECK(Play::say(play.log_in()) == "0");
}

TEST_CASE("script client: disconnect stops the session, not the callback", "[script]") {
  Play play{telling("client:disconnect() sleep(0.001) return 'still here'")};
  CHECK(Play::say(play.log_in()) == "still here");
  CHECK(play.session().stop_reason() == session::StopReason::Disconnect);
}

TEST_CASE("script client: once the socket is closed, what it told is nil", "[script]") {
  Play play{telling("return tostring(client.local_address) .. tostring(client.pid)"
                    " .. tostring(client.cgroup) .. client.id"),
            From::Unix};
  play.session().forget_client();
  CHECK(Play::say(play.log_in()) == "nilnilnil17");
}

TEST_CASE("script client: a cgroup where there is one", "[script]") {
  CHECK(told("local c = client.cgroup if not c then return 'none' end"
             " assert(c == client.cgroup and c.nosuch == nil and c.path:sub(1, 1) == '/')"
             " assert(c.parent == nil or #c.parent.path < #c.path)"
             " return 'none'",
             From::Unix) == "none");
}

TEST_CASE("script err: message, code and sqlstate", "[script]") {
  const auto refusal = [](const std::string& call) {
    Play play{with_login("return " + call)};
    return std::get<session::Refuse>(play.log_in());
  };
  CHECK(refusal("client:err()").message.empty());
  CHECK_FALSE(refusal("client:err('no')").code.has_value());
  CHECK(refusal("client:err(5)").message == "5");
  CHECK(refusal("client:err(('x'):rep(5000))").message.size() == 5000);
  const auto full = refusal("client:err('no', {code = 1040, sqlstate = '08004'})");
  CHECK(full.code == 1040);
  CHECK(full.sqlstate == "08004");
  for (const char* wrong : {"client:err('a', {code = 70000})", "client:err('a', {code = 0})",
                            "client:err('a', {sqlstate = 'short'})", "client:err({})",
                            "client:err('a', {cod = 1})", "client:err('a', {}, 3)"}) {
    CHECK(refusal(wrong).message == "Lua error");
  }
}

TEST_CASE("script connect: targets", "[script]") {
  CHECK(target_text(Connected("return client:connect('10.0.0.1', login)").to()) == "10.0.0.1:3306");
  CHECK(target_text(Connected("return client:connect('db1:3307', login)").to()) == "db1 3307");
  CHECK(target_text(Connected("return client:connect('/run/db.sock', login)").to()) ==
        "/run/db.sock");
  CHECK(target_text(Connected("return client:connect(mysql_resolve('[::1]'), login)").to()) ==
        "[::1]:3306");
  for (const char* wrong : {"{}", "5", "client", "nil", "''"}) {
    Connected wrong_target{std::string("return client:connect(") + wrong + ", login)"};
    CHECK(wrong_target.said() == "Lua error");
  }
}

TEST_CASE("script connect: the callback's login passes through", "[script]") {
  const Connected same{"return client:connect('10.0.0.1', login)", From::Tcp};
  CHECK(same.to().login.user == "anna");
  CHECK(same.to().login.database == "shop");
  CHECK(same.to().login.attributes == Play::anna().attributes);
  CHECK_FALSE(same.to().credentials.password.has_value());
  CHECK_FALSE(same.to().credentials.password_sha1.has_value());
  CHECK(same.to().connect_timeout == Millis{5000});
  const Connected changed{
      "login.user = 'otto' login.database = nil login.attributes._os = nil"
      " login.attributes.added = 'x'"
      " return client:connect('10.0.0.1', login)"};
  CHECK(changed.to().login.user == "otto");
  CHECK(changed.to().login.database.empty());
  const std::vector<std::pair<std::string, std::string>> expected{{"program_name", "mysql"},
                                                                  {"added", "x"}};
  CHECK(changed.to().login.attributes == expected);
}

TEST_CASE("script connect: credentials of the script's own", "[script]") {
  const Connected own{"return client:connect('10.0.0.1', {user = 'u', password = 'p\\0q'})"};
  CHECK(own.to().login.user == "u");
  CHECK(own.to().login.attributes == Play::anna().attributes);
  CHECK(test::password_of(own.to().credentials) == std::string("'p\0q'", 5));
  const Connected none{"return client:connect('10.0.0.1', {user = 'u'})"};
  CHECK(test::password_of(none.to().credentials) == "''");
  const Connected set{"login.password = 'x' return client:connect('10.0.0.1', login)"};
  CHECK(test::password_of(set.to().credentials) == "'x'");
  const Connected sha1{
      "return client:connect('10.0.0.1', {user = 'u', password_sha1 = ('x'):rep(20)})"};
  CHECK(sha1.to().credentials.password_sha1->size() == 20);
}

TEST_CASE("script connect: mistakes in login and options", "[script]") {
  const auto error = [](const std::string& arguments) {
    Connected wrong{"return client:connect('10.0.0.1', " + arguments + ")"};
    CHECK(wrong.said() == "Lua error");
    return wrong.play.log().text();
  };
  CHECK(error("{usr = 'x'}").find("unknown login attribute 'usr', did you mean 'user'?") !=
        std::string::npos);
  CHECK(error("{password_sha1 = 'short'}").find("Bad SHA1 length") != std::string::npos);
  CHECK(error("{user = {}}").find("bad 'user' value") != std::string::npos);
  CHECK(error("{attributes = {5}}").find("login attributes are strings") != std::string::npos);
  CHECK(error("'anna'").find("table expected, got string") != std::string::npos);
  CHECK(error("login, {conect_timeout = 1}").find("did you mean 'connect_timeout'?") !=
        std::string::npos);
  CHECK(error("login, {read_only = 'yes'}").find("bad 'read_only' value") != std::string::npos);
  CHECK(error("login, {send_proxy = 'v3'}").find("'v1' or 'v2' expected") != std::string::npos);
  CHECK(error("login, {send_proxy = true}").find("string expected") != std::string::npos);
  CHECK(error("login, {mirror = 'db:7'}").find("table expected") != std::string::npos);
  CHECK(error("login, {mirror = {'db'}}").find("the port is missing") != std::string::npos);
  CHECK(error("login, {mirror = {'db:7', 5}}").find("bad target 2") != std::string::npos);
  CHECK(error("login, {}, 4").find("Invalid parameters") != std::string::npos);
}

TEST_CASE("script connect: options", "[script]") {
  const Connected all{
      "return client:connect('10.0.0.1', login, {read_only = true, key = 'k',"
      " connect_timeout = 0.5, retry = 1, unchecked = false, tls = 'disable'})"};
  CHECK(all.to().connect_timeout == Millis{500});
  CHECK(all.to().send_proxy == session::SendProxy::No);
  CHECK(all.to().mirror.empty());
  CHECK(Connected("return client:connect('10.0.0.1', login, {mirror = {'/a', 'b:7'}})")
            .to()
            .mirror.size() == 2);
  CHECK(Connected("return client:connect('10.0.0.1', login, nil)").said() == "connect");
  const Connected v1{"return client:connect('10.0.0.1', login, {send_proxy = 'v1'})"};
  CHECK(v1.to().send_proxy == session::SendProxy::V1);
  const Connected v2{"return client:connect('10.0.0.1', login, {send_proxy = 'v2'})"};
  CHECK(v2.to().send_proxy == session::SendProxy::V2);
}

TEST_CASE("script connect: tls to the server", "[script]") {
  using Mode = session::ServerTls::Mode;
  const auto tls = [](const std::string& value) {
    const Connected connected{"return client:connect('10.0.0.1', login, {tls = " + value + "})"};
    return connected.to().tls;
  };
  CHECK(tls("nil").mode == Mode::Disable);
  CHECK(tls("'disable'").mode == Mode::Disable);
  CHECK(tls("'prefer'").mode == Mode::Prefer);
  CHECK_FALSE(tls("'require'").client->verifies());
  CHECK(tls("{}").mode == Mode::Require);
  CHECK(tls("{}").client->verifies());
  CHECK_FALSE(tls("{verify = false}").client->verifies());
  CHECK(tls("{server_name = 'db.example'}").server_name == "db.example");
  const auto error = [](const std::string& value) {
    return told("return select(2, pcall(client.connect, client, '10.0.0.1', login, {tls = " +
                value + "}))");
  };
  CHECK(error("'maybe'").find("'disable', 'prefer', 'require' or a table") != std::string::npos);
  CHECK(error("{ca = '/no/such/ca.pem'}").find("/no/such/ca.pem") != std::string::npos);
  CHECK(error("{key = '/no/key.pem'}").find("'key' needs a 'cert'") != std::string::npos);
  CHECK(error("{cafile = 'x'}").find("unknown option of tls 'cafile'") != std::string::npos);
}

TEST_CASE("script login: a plain table that can ask the client", "[script]") {
  CHECK(told("return login.user .. login.database .. login.attributes.program_name ..'/'.."
             " tostring(login.change) .. tostring(login.nosuch)") == "annashopmysql/falsenil");
  CHECK(told("return login.password") == "secret");
  CHECK(told("return tostring(login:verify('secret')) .. tostring(login:verify('other'))") ==
        "truefalse");
  CHECK(told("return tostring(login:verify(nil))") == "false");
  CHECK(told("return select(2, pcall(login.verify, login))").find("bad argument #2 to 'verify'") !=
        std::string::npos);
  CHECK(told("return select(2, pcall(login.verify, {}))").find("Stale object") !=
        std::string::npos);
  CHECK(told("login.password = 'mine' return login.password") == "mine");
  CHECK(told("local keys = {} for k in pairs(login) do keys[#keys + 1] = k end table.sort(keys)"
             " return table.concat(keys, ' ')") == "attributes change database user");
}

TEST_CASE("script login: stale after its callback", "[script]") {
  Play play{
      "kept = nil mysql_listen('*:1', {"
      " on_login = function(client, login) kept = login return client:err('x') end,"
      " on_command_phase = function(client)"
      " return client:err(select(2, pcall(kept.verify, kept, 'secret'))) end})"};
  CHECK(Play::say(play.log_in()) == "x");
  CHECK(Play::say(play.command_phase()).find("Stale object") != std::string::npos);
}

TEST_CASE("script login: the client's time to answer is not the callback's", "[script]") {
  Play play{"settings{callback_timeout = 0.05}" +
            with_login("login:verify('x') return client:err('done')")};
  play.challenger().delay = Millis{200};
  CHECK(Play::say(play.log_in()) == "done");
}

TEST_CASE("script login: what was found out decides whom connect lets in", "[script]") {
  const auto said = [](const std::string& before, const std::string& options = "nil") {
    return Connected(before + " return client:connect('10.0.0.1', {user = 'u', password = 'p'}, " +
                         options + ")",
                     From::Tcp)
        .said();
  };
  CHECK(said("") == "Lua error");
  CHECK(said("login:verify('secret')") == "connect");
  CHECK(said("local p = login.password") == "connect");
  CHECK(said("login:verify('other')").empty());
  CHECK(said("login:verify('other') local p = login.password").empty());
  CHECK(said("login:verify('other')", "{unchecked = true}") == "connect");
  CHECK(said("login:verify('other') login:verify('secret')") == "connect");
}

}  // namespace perilune::script
