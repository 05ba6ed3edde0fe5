#include "script/host.hh"

#include "stage.hh"
#include "support/catch.hh"

namespace perilune::script {

using test::Play;
using test::Stage;

namespace {

constexpr const char* kHandler = "{on_login = function() end}";

std::string listening(const std::string& arguments) { return "mysql_listen(" + arguments + ")"; }

std::string error_of(const std::string& script) { return Stage{script}.load_error(); }

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("script host: what the main chunk declares", "[script]") {
  Stage stage{R"(
    settings{workers = 3, callback_timeout = 2, script_memory = '64M'}
    local handler = {on_connect = print, on_login = print}
    mysql_listen('*', handler)
    mysql_listen('127.0.0.1:3307', {on_handshake_response = print},
                 {backlog = 7, handshake_timeout = '3s', idle_timeout = 60, max_connections = 5,
                  server_version = '8.0.1'})
    mysql_listen('/run/x.sock', handler, {mode = 0660, user = 'root', group = 'adm'})
    mysql_listen('@abstract', handler, {mode = nil})
    populate_io_buffers = true
  )"};
  const auto declaration = stage.load();
  REQUIRE(declaration.listeners.size() == 4);
  const auto& any = declaration.listeners[0];
  CHECK(std::get<net::Address>(any.where) == net::Address::any(3306));
  CHECK(any.label == "*");
  CHECK(any.callbacks == std::vector<std::string>{"on_connect", "on_login"});
  const auto& tcp = declaration.listeners[1].options;
  CHECK(tcp.backlog == 7);
  CHECK(tcp.handshake_timeout == Millis{3000});
  CHECK(tcp.idle_timeout == Millis{60000});
  CHECK(tcp.max_connections == 5);
  CHECK(tcp.server_version == "8.0.1");
  CHECK_FALSE(tcp.mode.has_value());
  const auto& unix_socket = declaration.listeners[2];
  CHECK(unix_socket.options.mode == 0660U);
  CHECK(unix_socket.options.user == "root");
  CHECK(unix_socket.options.group == "adm");
  CHECK(declaration.uses_myproxy_names);
  CHECK(declaration.settings.workers == 3U);
  CHECK(declaration.settings.callback_timeout == Millis{2000});
  CHECK(declaration.settings.script_memory == 64U << 20);
  CHECK(declaration.settings.populate_io_buffers);
  CHECK(stage.host().describe() ==
        "mysql_listen *: on_connect, on_login\n"
        "mysql_listen 127.0.0.1:3307: on_handshake_response\n"
        "mysql_listen /run/x.sock: on_connect, on_login\n"
        "mysql_listen @abstract: on_connect, on_login\n"
        "workers 3\n");
}

TEST_CASE("script host: the servers that a listener is to look like", "[script]") {
  Stage stage{R"(
    local handler = {on_login = print}
    mysql_listen('*:1', handler, {like = 'db1.example'})
    mysql_listen('*:2', handler, {like = mysql_resolve('127.0.0.1:3307')})
    mysql_listen('*:3', handler, {like = {'/run/s.sock', mysql_resolve('[::1]')}})
    mysql_listen('*:4', handler)
  )"};
  const auto declaration = stage.load();
  REQUIRE(declaration.listeners.size() == 4);
  const auto like = [&](std::size_t i) { return declaration.listeners[i].options.like; };
  CHECK(like(0) == std::vector<net::Endpoint>{net::HostName{"db1.example", 3306}});
  CHECK(like(1) == std::vector<net::Endpoint>{*net::parse_address("127.0.0.1:3307", 1)});
  CHECK(like(2) == std::vector<net::Endpoint>{*net::parse_address("/run/s.sock", 1),
                                              *net::parse_address("[::1]:3306", 1)});
  CHECK(like(3).empty());
  for (const std::string wrong : {"7", "{}", "{7}", "{x = 'db1'}", "''", "true", "systemd"}) {
    CAPTURE(wrong);
    const std::string options = std::string(kHandler) + ", {like = " + wrong + "}";
    CHECK(contains(error_of(listening("'*', " + options)), "bad 'like' value"));
  }
}

TEST_CASE("script host: two workers' runs declare the same", "[script]") {
  const std::string script = listening("'*:1', " + std::string(kHandler));
  const auto first = Stage{script}.load();
  CHECK_FALSE(first.difference(Stage{script}.load()).has_value());
  CHECK(first.difference(Stage{script + " settings{workers = 2}"}.load()).has_value());
}

TEST_CASE("script host: a later worker runs the first one's bytes", "[script]") {
  Stage stage{listening("require('where').address, " + std::string(kHandler))};
  stage.sources().put("where.lua", "return {address = '*:7'}");
  const auto first = stage.load();
  stage.sources().freeze();
  HostOptions options;
  options.path = "config.lua";
  options.sources = stage.host().options().sources;
  options.worker = 1;
  options.first_worker = false;
  const auto second = std::make_shared<Host>(stage.loop(), std::move(options));
  CHECK_FALSE(first.difference(perilune::test::run_task(stage.loop(), second->load())).has_value());
}

TEST_CASE("script host: errors of a load name file, line and reason", "[script]") {
  CHECK(error_of("\nerror('no')").starts_with("config.lua:2: no"));
  CHECK(error_of("x =").starts_with("config.lua:1: unexpected symbol"));
  CHECK(contains(error_of("local function f() error('deep') end\nf()\n"), "in function 'f'"));
  CHECK_FALSE(contains(error_of("mysql_listen()"), "traceback"));
  CHECK(error_of("error({})") == "error object is a table");
  CHECK(contains(error_of("coroutine.yield()"), "yielded where nothing can resume it"));
  Stage stage{""};
  HostOptions options;
  options.path = "missing.lua";
  options.sources = std::make_shared<lua::Sources>("/nowhere/missing.lua");
  const auto host = std::make_shared<Host>(stage.loop(), std::move(options));
  CHECK_THROWS_WITH(perilune::test::run_task(stage.loop(), host->load()),
                    "missing.lua: cannot open missing.lua: No such file or directory");
}

TEST_CASE("script host: mistakes in mysql_listen", "[script]") {
  const std::string at = "config.lua:1: ";
  const std::string h = kHandler;
  CHECK(error_of(listening("'*', {on_conect = print, on_login = print}")) ==
        at + "unknown callback 'on_conect', did you mean 'on_connect'?");
  CHECK(error_of(listening("'*', {on_login = 5}")) == at + "'on_login' is not a function");
  CHECK(error_of(listening("'*', {on_connect = print}")) == at + "the handler has no on_login");
  CHECK(contains(error_of(listening("'*', {on_login = print, on_handshake_response = print}")),
                 "only one is allowed"));
  CHECK(error_of(listening("'*', {on_login = print, on_log = print}")) == "no error");
  CHECK(error_of(listening("'*', " + h + ", {idle_timout = 5}")) ==
        at + "unknown option 'idle_timout', did you mean 'idle_timeout'?");
  CHECK(error_of(listening("'*', " + h + ", {log = 1}")) ==
        at + "bad 'log' value (a log, a list of logs or nil expected)");
  CHECK(contains(error_of(listening("'*', " + h + ", {max_query = 'much'}")), "max_query"));
  CHECK(error_of(listening("'*', " + h + ", {tls = true}")) ==
        at + "bad 'tls' value (table or false expected, got boolean)");
  CHECK(error_of(listening("'*', " + h + ", {tls = {key = 'k.pem'}}")) ==
        at + "bad 'tls' value (these options need a 'cert')");
  CHECK(error_of(listening("'*', " + h + ", {tls = {crt = 'c.pem'}}")) ==
        at + "unknown option of tls 'crt', did you mean 'cert'?");
  CHECK(contains(error_of(listening("'*', " + h + ", {tls = {cert = 'c', min_version = '1.1'}}")),
                 "bad 'min_version' value"));
  CHECK(contains(error_of(listening("'*', " + h + ", {mode = 0666}")), "only for unix sockets"));
  CHECK(contains(error_of(listening("'/x', " + h + ", {mode = 0888}")), "bad 'mode' value"));
  CHECK(contains(error_of(listening("'*', " + h + ", {backlog = -1}")), "bad 'backlog' value"));
  CHECK(contains(error_of(listening("'db.example:3306', " + h)), "bad argument #1"));
  CHECK(contains(error_of(listening("5, " + h)), "bad argument #1 to 'mysql_listen'"));
  CHECK(contains(error_of(listening("'*'")), "bad argument #2 to 'mysql_listen' (table expected"));
  CHECK(contains(error_of(listening("'*:1', " + h) + listening("'*:1', " + h)),
                 "*:1 has a listener already"));
}

TEST_CASE("script host: the tls option of a listener", "[script]") {
  const auto tls = [](const std::string& value) {
    Stage stage{listening(std::string("'*:1', ") + kHandler + ", {tls = " + value + "}")};
    return stage.load().listeners.at(0).options.tls;
  };
  using Certificate = session::ListenerTls::Certificate;
  CHECK(tls("nil").certificate == Certificate::Automatic);
  CHECK(tls("{required = true}").required);
  CHECK(tls("false").certificate == Certificate::None);
  const auto files =
      tls("{cert = '/a/c.pem', key = '../k.pem', client_ca = 'ca.pem',"
          " min_version = '1.3'}");
  CHECK(files.certificate == Certificate::Files);
  CHECK(files.files.cert == "/a/c.pem");
  CHECK(files.files.key.front() == '/');
  CHECK(files.files.key.find("..") == std::string::npos);
  CHECK(files.files.client_ca.ends_with("/ca.pem"));
  CHECK(files.files.min_version == net::TlsVersion::Tls13);
}

TEST_CASE("script host: the proxies of a listener", "[script]") {
  const auto peers = [](const std::string& where, const std::string& from) {
    Stage stage{listening(where + ", " + kHandler + ", {proxy_protocol = {from = " + from + "}}")};
    return stage.load().listeners.at(0).options.proxy_peers;
  };
  const auto tcp = peers("'*:1'", "{'::1', '10.0.0.0/8', 'unix', '::1'}");
  CHECK(tcp.networks.size() == 2);
  CHECK(tcp.local);
  CHECK(tcp == peers("'*:1'", "{'unix', '10.0.0.0/8', '::1'}"));
  CHECK(tcp != peers("'*:1'", "{'10.0.0.0/8', '::1'}"));
  CHECK(tcp.contains(*net::parse_address("10.1.2.3:4", 1)));
  CHECK(tcp.contains(net::Address::unix_name({})));
  CHECK_FALSE(tcp.contains(*net::parse_address("11.1.2.3:4", 1)));
  const auto local = peers("'/x'", "{'unix'}");
  CHECK(local.contains(net::Address::unix_name("/peer")));
  CHECK_FALSE(local.contains(*net::parse_address("127.0.0.1:4", 1)));
  CHECK_FALSE(session::ProxyPeers{}.contains(net::Address::unix_name({})));
}

TEST_CASE("script host: mistakes in proxy_protocol", "[script]") {
  const auto error = [](const std::string& where, const std::string& value) {
    return error_of(listening(where + ", " + kHandler + ", {proxy_protocol = " + value + "}"));
  };
  CHECK(contains(error("'*'", "true"), "bad 'proxy_protocol' value (table expected"));
  CHECK(contains(error("'*'", "{}"), "'proxy_protocol' needs 'from'"));
  CHECK(contains(error("'*'", "{form = {}}"), "unknown proxy_protocol option 'form'"));
  CHECK(contains(error("'*'", "{from = {}}"), "at least one string expected"));
  CHECK(contains(error("'*'", "{from = {'10.0.0.0/33'}}"), "at most 32"));
  CHECK(contains(error("'*'", "{from = {'10.0.0.1/8'}}"), "bits behind the first 8 are set"));
  CHECK(contains(error("'*'", "{from = {'lb.example'}}"), "neither an IPv4 nor an IPv6 address"));
  CHECK(contains(error("'*'", "{from = {'unix'}}"), "no peer of this listener is 'unix'"));
  CHECK(contains(error("'/x'", "{from = {'127.0.0.1'}}"), "are called 'unix'"));
}

TEST_CASE("script host: systemd's sockets", "[script]") {
  const std::string h = std::string(", ") + kHandler;
  CHECK(error_of(listening("systemd" + h)) == "config.lua:1: No systemd socket");
  HostOptions options;
  options.systemd_socket_names = {"db", "unknown"};
  Stage stage{listening("systemd.db" + h), options};
  const auto declaration = stage.load();
  CHECK(std::get<session::SystemdSockets>(declaration.listeners.at(0).where).name == "db");
  CHECK(declaration.listeners.at(0).label == "systemd.db");
  Stage other{listening("systemd.web" + h), options};
  CHECK(contains(other.load_error(), "No systemd socket of the name 'web'"));
  HostOptions check;
  check.check_only = true;
  CHECK(Stage(listening("systemd" + h), check).load_error() == "no error");
}

TEST_CASE("script host: settings are checked", "[script]") {
  CHECK(error_of("settings{worker = 1}") ==
        "config.lua:1: unknown setting 'worker', did you mean 'workers'?");
  CHECK(contains(error_of("settings{workers = 0}"), "bad 'workers' value"));
  CHECK(contains(error_of("settings{script_memory = 'lots'}"), "bad 'script_memory' value"));
  CHECK(contains(error_of("settings(5)"), "table expected, got number"));
}

TEST_CASE("script host: names of later versions say so", "[script]") {
  for (const char* use : {"mssql_listen('*', {})", "perilune.mssql_cluster({})"}) {
    CHECK(contains(error_of(use), "is not in this version of Perilune"));
  }
  CHECK(error_of("assert(nosuch == nil) assert(perilune.sleep == sleep)") == "no error");
}

TEST_CASE("script host: the main chunk may wait, load modules and use other files", "[script]") {
  Stage stage{
      "local t = require('targets') sleep(0.001) dofile('more.lua')\n"
      "mysql_listen(t.where, {on_login = print})"};
  stage.sources().put("targets.lua", "sleep(0.001) return {where = '*:7'}");
  stage.sources().put("more.lua", "settings{workers = 9}");
  const auto declaration = stage.load();
  CHECK(declaration.listeners.at(0).label == "*:7");
  CHECK(declaration.settings.workers == 9U);
}

TEST_CASE("script host: a load has a deadline", "[script]") {
  CHECK(error_of("settings{load_timeout = 0.1} while true do end") ==
        "config.lua: the script did not end within load_timeout");
  CHECK(error_of("settings{load_timeout = 0.1} sleep(60)") ==
        "config.lua: the script did not end within load_timeout");
}

TEST_CASE("script host: a load has a limit of memory", "[script]") {
  CHECK(contains(error_of("settings{script_memory = '8M'} x = {}"
                          " while true do x[#x + 1] = ('x'):rep(1000) .. #x end"),
                 "not enough memory"));
}

TEST_CASE("script host: mysql_resolve in the main chunk", "[script]") {
  CHECK(error_of("assert(tostring(mysql_resolve('127.0.0.1')) == '127.0.0.1:3306')"
                 " assert(tostring(mysql_resolve('[::1]:7')) == '[::1]:7')"
                 " assert(tostring(mysql_resolve('/x')) == '/x')"
                 " assert(tostring(mysql_resolve('localhost')):find(':3306$'))"
                 " assert(not pcall(function() return mysql_resolve('1').x end))") == "no error");
  CHECK(contains(error_of("mysql_resolve('no.such.host.invalid')"),
                 "config.lua:1: cannot resolve no.such.host.invalid"));
  CHECK(contains(error_of("mysql_resolve('[::1')"), "config.lua:1: "));
  CHECK(contains(error_of("mysql_resolve()"), "bad argument #1 to 'mysql_resolve'"));
}

TEST_CASE("script host: first_worker, compiled, clocks, print", "[script]") {
  Stage first{
      "n = 0 first_worker(function() sleep(0.001) n = 1 end) assert(n == 1)"
      " assert(compiled(print) == print) assert(not pcall(compiled, 5))"
      " assert(math.abs(now() - os.time()) < 2) assert(monotonic() > 0)"
      " print('hello', 1, nil, {} ~= nil)"};
  CHECK(first.load_error() == "no error");
  CHECK(first.log().contains("print: hello"));
  HostOptions options;
  options.first_worker = false;
  Stage second{"first_worker(function() error('not here') end)", options};
  CHECK(second.load_error() == "no error");
}

TEST_CASE("script host: os.exit never, os.execute and io.popen only while loading", "[script]") {
  CHECK(contains(error_of("os.exit(0)"), "os.exit would end the daemon"));
  CHECK(error_of("assert(os.execute('true') == 0) io.popen('true'):close()") == "no error");
  Play play{
      test::telling("local _, a = pcall(os.execute, 'true') local _, b = pcall(io.popen, 'x')"
                    " return a .. b")};
  const std::string said = Play::say(play.log_in());
  CHECK(contains(said, "os.execute would stop every session"));
  CHECK(contains(said, "io.popen would stop every session"));
}

TEST_CASE("script host: after the commit declarations raise", "[script]") {
  Play play{
      test::telling("local _, a = pcall(mysql_listen, '*', {on_login = print})"
                    " local _, b = pcall(settings, {}) return a .. ' ' .. b")};
  CHECK(Play::say(play.log_in()) ==
        "mysql_listen belongs to the main chunk settings belongs to the main chunk");
}

TEST_CASE("script host: the script's own reload", "[script]") {
  Stage stage{"function reload() sleep(0.001) print('reloading') end"};
  stage.load();
  stage.host().commit();
  REQUIRE(stage.host().has_reload());
  perilune::test::run_task(stage.loop(), stage.host().call_reload());
  CHECK(stage.log().contains("print: reloading"));
  Stage failing{"function reload() error('no') end"};
  failing.load();
  perilune::test::run_task(failing.loop(), failing.host().call_reload());
  CHECK(failing.log().contains("config.lua:1: no"));
  CHECK(failing.metrics().lua_errors.read() == 1);
  Stage none{"reload = nil"};
  none.load();
  CHECK_FALSE(none.host().has_reload());
}

}  // namespace perilune::script
