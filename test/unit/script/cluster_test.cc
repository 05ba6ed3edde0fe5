#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cluster/registry.hh"
#include "session/directory.hh"
#include "support/catch.hh"
#include "unit/script/stage.hh"

namespace perilune::script {

using test::Play;
using test::Stage;
using test::with_login;

namespace {

constexpr const char* kListen = "mysql_listen('127.0.0.1:0', {on_login = function() end})";

std::string error_of(const std::string& script) {
  return Stage(script + " " + kListen).load_error();
}

session::Decision log_in(Play& play) {
  play.session().user = "anna";
  return play.log_in();
}

// What becomes of a client.
struct Decided {
  explicit Decided(const std::string& before, const std::string& body)
      : play(before + "\n" + with_login(body)), decision(log_in(play)) {}
  const session::ConnectTo& to() const { return std::get<session::ConnectTo>(decision); }
  std::string key() const { return to().wish.key; }

  Play play;
  session::Decision decision;
};

constexpr const char* kTwo = "cluster = mysql_cluster({'127.0.0.2', {'127.0.0.3', name = 'b'}}, %)";

std::string two(const std::string& options = "{}") {
  std::string script = kTwo;
  return script.replace(script.find('%'), 1, options);
}

}  // namespace

TEST_CASE("script cluster: all that may be said of it", "[script]") {
  Stage stage{
      "mysql_cluster({'db1.example', {'[::1]:3307', weight = 3, name = 'n', backup = true,"
      " max_connections = 9}}, {monitoring = true, user = 'u', password = 'p', database = 'd',"
      " interval = 5, timeout = '500ms', rise = 3, fall = 4, no_read_only = true,"
      " disconnect_unavailable = true, name = 'shop', balance = 'least_connections',"
      " tls = {verify = false, server_name = 's'}}) " +
      std::string(kListen)};
  const auto declaration = stage.load();
  REQUIRE(declaration.clusters.size() == 1);
  const cluster::Settings& settings = declaration.clusters.front()->settings();
  CHECK(settings.protocol == "mysql");
  CHECK(settings.name == "shop");
  CHECK(settings.policy->name == "least_connections");
  CHECK(settings.disconnect_unavailable);
  REQUIRE(settings.nodes.size() == 2);
  CHECK(net::text_of(settings.nodes[0].endpoint) == "db1.example:3306");
  CHECK(settings.nodes[0].weight == 1);
  CHECK(settings.nodes[1].weight == 3);
  CHECK(settings.nodes[1].name == "n");
  CHECK(settings.nodes[1].backup);
  CHECK(settings.nodes[1].max_connections == 9);
  REQUIRE(settings.monitoring);
  const cluster::ProbeSettings& probe = *settings.monitoring;
  CHECK(probe.user == "u");
  CHECK(as_text(probe.password->bytes()) == "p");
  CHECK(probe.database == "d");
  CHECK(probe.interval == Millis{5000});
  CHECK(probe.timeout == Millis{500});
  CHECK(probe.rise == 3);
  CHECK(probe.fall == 4);
  CHECK(probe.no_read_only);
  CHECK(probe.tls.mode == net::TlsMode::Require);
  CHECK(probe.tls.server_name == "s");
  CHECK_FALSE(probe.tls.files.verify);
}

TEST_CASE("script cluster: two equal calls make one", "[script]") {
  Stage stage{two() + " " + two() + " mysql_cluster({'127.0.0.2'}) " + kListen};
  const auto declaration = stage.load();
  CHECK(declaration.clusters.size() == 2);
  CHECK(declaration.clusters.front()->name() == "127.0.0.2:3306,127.0.0.3:3306");
}

TEST_CASE("script cluster: workers that declare others differ", "[script]") {
  Stage one{two() + " " + kListen};
  Stage other{std::string(kListen)};
  const auto difference = one.load().difference(other.load());
  REQUIRE(difference);
  CHECK_THAT(*difference, Catch::Contains("the cluster 127.0.0.2:3306,127.0.0.3:3306"));
}

TEST_CASE("script cluster: myproxy's combinations of options are refused", "[script]") {
  for (const char* option :
       {"user = 'u'", "disconnect_unavailable = true", "no_read_only = true"}) {
    CHECK_THAT(error_of(two(std::string("{") + option + "}")),
               Catch::Contains("needs 'monitoring'"));
  }
  for (const char* option :
       {"password = 'p'", "no_read_only = true", "database = 'd'", "tls = 'require'"}) {
    CHECK_THAT(error_of(two(std::string("{monitoring = true, ") + option + "}")),
               Catch::Contains("needs 'user'"));
  }
}

TEST_CASE("script cluster: the key", "[script]") {
  CHECK(Decided(two(), "return client:connect(cluster, login)").key() == "anna");
  CHECK(Decided(two(), "client.account = 'a' return client:connect(cluster, login)").key() == "a");
  CHECK(Decided(two(), "return client:connect(cluster, login, {key = 'k'})").key() == "k");
  Play myproxy{two() +
               " mysql_listen('127.0.0.1:0', {on_handshake_response = function(client, login)"
               " return client:connect(cluster, login) end})"};
  const auto decision = log_in(myproxy);
  CHECK(std::get<session::ConnectTo>(decision).wish.key.empty());
}

TEST_CASE("script cluster: options of connect", "[script]") {
  const Decided decided{two(),
                        "return client:connect(cluster, login, {read_only = true, retry = 7})"};
  CHECK(decided.to().wish.read_only);
  CHECK(decided.to().retry == 7);
  CHECK(decided.to().cluster->name() == "127.0.0.2:3306,127.0.0.3:3306");
  CHECK(decided.to().wish.source.size() == 16);
}

TEST_CASE("script cluster: a function chooses", "[script]") {
  const auto preferred = [](const std::string& body) {
    const Decided decided{two("{balance = function(client, nodes) " + body + " end}"),
                          "return client:connect(cluster, login)"};
    const auto& node = decided.to().wish.preferred;
    return node ? net::text_of(*node) : "none";
  };
  CHECK(preferred("return nodes[2]") == "127.0.0.3:3306");
  CHECK(preferred("return nodes[1].address") == "127.0.0.2:3306");
  CHECK(preferred("return 'b'") == "127.0.0.3:3306");
  CHECK(preferred("return client.user == 'anna' and '127.0.0.3'") == "127.0.0.3:3306");
  CHECK(preferred("sleep(0.001) return nodes[2]") == "127.0.0.3:3306");
  CHECK(preferred("return nil") == "none");
  CHECK(preferred("") == "none");
}

TEST_CASE("script cluster: a function that fails refuses", "[script]") {
  for (const char* body : {"error('x')", "return 17", "return {}", "return '127.0.0.9'",
                           "return setmetatable({}, {__index = error})"}) {
    Decided decided{two(std::string("{balance = function() ") + body + " end}"),
                    "return client:connect(cluster, login)"};
    CHECK(Play::say(decided.decision) == "Lua error");
    CHECK(decided.play.log().contains("callback failed"));
    CHECK(decided.play.log().contains("balance"));
  }
}

TEST_CASE("script cluster: an action chooses anew each time", "[script]") {
  Play play{
      "n = 0 " + two("{balance = function(_, nodes) n = n + 1 return nodes[n] end}") + "\n" +
      with_login("kept = kept or client:connect(cluster, login) collectgarbage() return kept")};
  const auto one = play.log_in();
  const auto two = play.log_in();
  CHECK(net::text_of(*std::get<session::ConnectTo>(one).wish.preferred) == "127.0.0.2:3306");
  CHECK(net::text_of(*std::get<session::ConnectTo>(two).wish.preferred) == "127.0.0.3:3306");
}

TEST_CASE("script cluster: rows, drain, enable and set_nodes", "[script]") {
  Play play{
      two() + "\n" +
      test::telling("local function states() local t = {} for _, n in ipairs(cluster:nodes()) do"
                    " t[#t + 1] = n.address .. '=' .. n.state end return table.concat(t, ' ') end\n"
                    "local said = {states()}\n"
                    "cluster:drain('b') said[2] = states()\n"
                    "cluster:enable(cluster:nodes()[2]) said[3] = states()\n"
                    "cluster:drain('127.0.0.3') cluster:set_nodes{'127.0.0.4', '127.0.0.3'} "
                    "said[4] = states()\n"
                    "return table.concat(said, '; ')")};
  CHECK(Play::say(play.log_in()) ==
        "127.0.0.2:3306=unknown 127.0.0.3:3306=unknown; "
        "127.0.0.2:3306=unknown 127.0.0.3:3306=draining; "
        "127.0.0.2:3306=unknown 127.0.0.3:3306=unknown; "
        "127.0.0.4:3306=unknown 127.0.0.3:3306=draining");
}

TEST_CASE("script cluster: one made at run time is used at once", "[script]") {
  const Decided decided{"", "return client:connect(mysql_cluster{'127.0.0.2'}, login)"};
  CHECK(decided.to().cluster->is_active());
  const Decided declared{two(), "return client:connect(cluster, login)"};
  CHECK_FALSE(declared.to().cluster->is_active());
}

TEST_CASE("script cluster: like means its nodes at the time", "[script]") {
  Stage stage{two() +
              " mysql_listen('127.0.0.1:0', {on_login = function() end}, {like = cluster})"};
  const auto declaration = stage.load();
  const session::ListenerOptions& options = declaration.listeners.front().options;
  CHECK(options.like.empty());
  CHECK(options.like_cluster == declaration.clusters.front());
}

}  // namespace perilune::script
