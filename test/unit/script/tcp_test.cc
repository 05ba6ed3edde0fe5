#include "stage.hh"
#include "support/catch.hh"

namespace perilune::script {

using test::Play;
using test::Stage;

namespace {

constexpr const char* kAt = "config.lua:1: ";

// What is wrong with `tcp_listen('127.0.0.1:7', …)`.
std::string error_of(const std::string& arguments) {
  return Stage{"tcp_listen('127.0.0.1:7', " + arguments + ")"}.load_error();
}

std::string error_of_options(const std::string& options) {
  return error_of("{on_connect = print}, " + options);
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// A session whose on_connect runs this.
struct Connected {
  explicit Connected(const std::string& body)
      : play("tcp_listen('*:7', {on_connect = function(client) " + body + " end})"),
        decision(play.connect()) {}
  const session::ConnectTo& to() const { return std::get<session::ConnectTo>(decision); }
  bool fails_with(std::string_view why) const {
    const auto* const refusal = std::get_if<session::Refuse>(&decision);
    return refusal != nullptr && refusal->message == "Lua error" && play_log.contains(why);
  }
  Play play;
  session::Decision decision;
  test::LogFile& play_log = play.log();
};

}  // namespace

TEST_CASE("script tcp: what the main chunk declares", "[script]") {
  Stage stage{R"(
    local handler = {on_connect = print, on_disconnect = print}
    tcp_listen('*:7', handler, {backlog = 7, handshake_timeout = 3, idle_timeout = 60,
                                max_connections = 5, proxy_protocol = {from = {'10.0.0.0/8'}}})
    tcp_listen('/run/x.sock', handler, {mode = 0660, tls = {cert = '/c.pem', required = true}})
    tcp_listen('@abstract', handler, {tls = false})
  )"};
  const auto declaration = stage.load();
  REQUIRE(declaration.listeners.size() == 3);
  using Certificate = session::ListenerTls::Certificate;
  const auto& any = declaration.listeners[0];
  CHECK(any.protocol == session::Protocol::Tcp);
  CHECK(std::get<net::Address>(any.where) == net::Address::any(7));
  CHECK(any.callbacks == std::vector<std::string>{"on_connect", "on_disconnect"});
  CHECK(any.options.backlog == 7);
  CHECK(any.options.max_connections == 5);
  CHECK(any.options.tls.certificate == Certificate::None);
  CHECK(declaration.listeners[1].options.tls.certificate == Certificate::Files);
  CHECK(declaration.listeners[2].options.tls.certificate == Certificate::None);
  CHECK_FALSE(declaration.uses_myproxy_names);
  CHECK(contains(stage.host().describe(), "tcp_listen *:7: on_connect, on_disconnect\n"));
}

TEST_CASE("script tcp: mistakes in tcp_listen", "[script]") {
  const std::string at = kAt;
  CHECK(error_of("{}") == at + "the handler has no on_connect");
  CHECK(error_of("{on_conect = print}") ==
        at + "unknown callback 'on_conect', did you mean 'on_connect'?");
  CHECK(error_of("{on_connect = print, on_login = print}") ==
        at + "'on_login' is not for tcp_listen");
  CHECK(error_of("{on_connect = print, on_log = print}") == at + "'on_log' is not for tcp_listen");
  CHECK(error_of_options("{like = 'x'}") == at + "'like' is not for tcp_listen");
  CHECK(error_of_options("{max_query = 1}") == at + "'max_query' is not for tcp_listen");
  CHECK(error_of_options("{log = 1}") == at + "'log' is not for tcp_listen");
  CHECK(error_of_options("{idle_timout = 5}") ==
        at + "unknown option 'idle_timout', did you mean 'idle_timeout'?");
  CHECK(error_of_options("{tls = {}}") == at + "bad 'tls' value (a 'cert' is needed)");
  CHECK(contains(error_of_options("{tls = {cert = 'c', required = false}}"), "always required"));
  CHECK(contains(Stage{"tcp_listen('127.0.0.1', {on_connect = print})"}.load_error(),
                 "the port is missing"));
  CHECK(contains(Stage{"tcp_listen('*', {on_connect = print})"}.load_error(),
                 "the port is missing"));
}

TEST_CASE("script tcp: tcp_resolve wants a port", "[script]") {
  CHECK(Stage{"assert(tostring(tcp_resolve('127.0.0.1:7')) == '127.0.0.1:7')"
              " assert(tostring(tcp_resolve('/x')) == '/x')"
              " assert(tostring(tcp_resolve('localhost:7')):find(':7$'))"}
            .load_error() == "no error");
  CHECK(contains(Stage{"tcp_resolve('127.0.0.1')"}.load_error(), "the port is missing"));
}

TEST_CASE("script tcp: where on_connect connects to", "[script]") {
  const Connected connected{
      "return client:connect('[::1]:7', {connect_timeout = 2, send_proxy = 'v2',"
      " tls = 'require'})"};
  const session::ConnectTo& to = connected.to();
  CHECK(net::text_of(to.target) == "[::1]:7");
  CHECK(to.connect_timeout == Millis{2000});
  CHECK(to.send_proxy == session::SendProxy::V2);
  CHECK(to.tls.mode == session::ServerTls::Mode::Require);
  CHECK(net::text_of(Connected{"return client:connect('db:7')"}.to().target) == "db:7");
  const Connected refused{"return client:err('no')"};
  CHECK(Play::say(refused.decision) == "no");
}

TEST_CASE("script tcp: mistakes in on_connect", "[script]") {
  CHECK(Connected{""}.fails_with("returned nothing; expected: client:connect(…), client:fanout(…) or client:err(…)"));
  CHECK(Connected{"return client:ok()"}.fails_with("returned client:ok(…)"));
  CHECK(Connected{"return client:connect()"}.fails_with("Invalid parameters"));
  CHECK(Connected{"return client:connect('db')"}.fails_with("the port is missing"));
  const auto with = [](const std::string& options) {
    return Connected{"return client:connect('db:7', " + options + ")"};
  };
  CHECK(with("{user = 'a'}").fails_with("unknown option 'user'"));
  CHECK(with("{}, {}").fails_with("with tcp_listen there is no login"));
  CHECK(with("{unchecked = true}").fails_with("'unchecked' is not for tcp_listen"));
  CHECK(with("{tls = 'prefer'}").fails_with("'prefer'"));
  CHECK(with("{mirror = {'a'}}").fails_with("bad target 1 ("));
  CHECK(with("{mirror = {[2] = 'a:7'}}").fails_with("bad target 1"));
  CHECK(with("{mirror = {logger = 'a:7'}}").fails_with("bad target 1"));
  CHECK(with("{mirror = true}").fails_with("bad 'mirror' value (table expected"));
  CHECK(with("{read_only = true}").fails_with("'read_only' is not for tcp_listen"));
}

TEST_CASE("script tcp: who gets copies", "[script]") {
  const Connected connected{
      "return client:connect('db:7', {mirror = {tcp_resolve('127.0.0.1:8'), 'logger:9'}})"};
  const auto& mirror = connected.to().mirror;
  REQUIRE(mirror.size() == 2);
  CHECK(net::text_of(mirror[0]) == "127.0.0.1:8");
  CHECK(net::text_of(mirror[1]) == "logger:9");
  CHECK(Connected{"return client:connect('db:7', {mirror = {}})"}.to().mirror.empty());
}

TEST_CASE("script tcp: a fan-out", "[script]") {
  const Connected plain{"return client:fanout({'one:7', tcp_resolve('127.0.0.1:8')})"};
  const auto& by_default = std::get<session::FanOut>(plain.decision);
  REQUIRE(by_default.targets.size() == 2);
  CHECK(net::text_of(by_default.targets[0]) == "one:7");
  CHECK(net::text_of(by_default.targets[1]) == "127.0.0.1:8");
  CHECK(by_default.on_failure == session::FanOut::OnFailure::Close);
  CHECK_FALSE(by_default.reply_from.has_value());
  CHECK(by_default.connect_timeout == Millis{5000});
  const Connected full{
      "return client:fanout({'one:7', 'two:7'}, {on_failure = 'continue', reply_from = 2,"
      " connect_timeout = 1, send_proxy = 'v1', tls = 'require'})"};
  const auto& wish = std::get<session::FanOut>(full.decision);
  CHECK(wish.on_failure == session::FanOut::OnFailure::Continue);
  CHECK(wish.reply_from == 1U);
  CHECK(wish.connect_timeout == Millis{1000});
  CHECK(wish.send_proxy == session::SendProxy::V1);
  CHECK(wish.tls.mode == session::ServerTls::Mode::Require);
}

TEST_CASE("script tcp: mistakes in a fan-out", "[script]") {
  const auto with = [](const std::string& arguments) {
    return Connected{"return client:fanout(" + arguments + ")"};
  };
  CHECK(with("").fails_with("Invalid parameters"));
  CHECK(with("'a:7'").fails_with("table expected, got string"));
  CHECK(with("{}").fails_with("at least one target expected"));
  CHECK(with("{'a:7', 'b'}").fails_with("bad target 2 ("));
  CHECK(with("{'a:7'}, {on_failure = 'stop'}").fails_with("'close' or 'continue' expected"));
  CHECK(with("{'a:7'}, {reply_from = 2}").fails_with("a whole number from 0 to 1 expected"));
  CHECK(with("{'a:7'}, {reply_from = 0}").fails_with("targets count from 1"));
  CHECK(with("{'a:7'}, {mirror = {'b:7'}}").fails_with("unknown option 'mirror'"));
  CHECK(with("{'a:7'}, {}, 1").fails_with("Invalid parameters"));
}

TEST_CASE("script tcp: a fan-out is for tcp_listen", "[script]") {
  Play play{"mysql_listen('*:7', {on_login = print, on_connect = function(client)"
            " return client:fanout({'a:7'}) end})"};
  CHECK(Play::say(play.connect()) == "Lua error");
  CHECK(play.log().contains("returned client:fanout(…); expected: nothing or client:err(…)"));
}

TEST_CASE("script tcp: the client has no login and no version", "[script]") {
  const Connected said{
      "return client:err(table.concat({client.protocol, tostring(client.user),"
      " tostring(client.database), tostring(client.server_version)}, ' '))"};
  CHECK(Play::say(said.decision) == "tcp nil nil nil");
  CHECK(Connected{"client.server_version = '8'"}.fails_with("no version is announced"));
}

}  // namespace perilune::script
