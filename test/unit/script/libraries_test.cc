#include <string>

#include "stage.hh"
#include "support/catch.hh"

namespace perilune::script {

namespace {

using test::Stage;

// Why a script cannot be loaded, or what its expression is.
std::string value_of(const std::string& expression) {
  Stage stage{"error('value: ' .. tostring(" + expression + "), 0)"};
  return stage.load_error();
}

std::string error_of(const std::string& script) { return Stage{script}.load_error(); }

bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("pg library: arrays", "[script][pg]") {
  CHECK(value_of("pg:encode_array{'a', [[b\"c]], 5, 1.5}") == R"(value: {"a","b\"c","5","1.5"})");
  CHECK(value_of("pg:encode_array{}") == "value: {}");
  CHECK(value_of("#pg:decode_array('')") == "value: 0");
  CHECK(value_of("pg:decode_array('{1,\"x y\",NULL}')[2]") == "value: x y");
  CHECK(value_of("pg:decode_array('{1,\"x y\",NULL}')[3]") == "value: NULL");
  CHECK(has(error_of("pg:decode_array('{{1}}')"),
            "bad argument #1 to 'decode_array' (nested arrays are not supported)"));
  CHECK(has(error_of("pg:encode_array{{}}"), "bad argument #1 to 'encode_array'"));
  CHECK(has(error_of("pg:encode_array(5)"), "table expected, got number"));
}

TEST_CASE("pg library: arguments are checked", "[script][pg]") {
  CHECK(has(error_of("pg:new()"), "bad argument #1 to 'new' (string expected, got no value)"));
  CHECK(has(error_of("pg:new('', nil, {connection = 3})"), "did you mean 'connections'?"));
  CHECK(has(error_of("pg:new('', nil, {connections = 0})"), "at least 1 expected"));
  CHECK(has(error_of("pg:new('hots=x')"), "did you mean 'host'?"));
  CHECK(has(error_of("pg:new(''):execute()"), "bad argument #1 to 'execute' (string expected"));
  CHECK(has(error_of("pg:new(''):execute('', 5)"), "bad argument #2 to 'execute' (table expected"));
  CHECK(has(error_of("pg:new(''):execute('', {n = 70000})"), "from 0 to 65535 parameters"));
  CHECK(has(error_of("pg:new(''):listen('')"), "the name of the channel is empty"));
  CHECK(has(error_of("pg:new(''):listen('x', 5)"), "function expected, got number"));
  CHECK(has(error_of("pg:new(''):listen(('x'):rep(64), print)"), "at most 63 bytes"));
  CHECK(has(error_of("pg.new('x')"), "string expected"));
}

TEST_CASE("pg library: what cannot be a parameter is told without asking the server",
          "[script][pg]") {
  CHECK(value_of("select(2, pg:new('host=127.0.0.1 port=1'):execute('', {{}}))") ==
        "value: Unsupported query parameter type: table");
  CHECK(value_of("select(2, pg:new('host=127.0.0.1 port=1'):execute('', {1, print}))") ==
        "value: Unsupported query parameter type: function");
}

TEST_CASE("pg library: a server that is not there fails the query that waits", "[script][pg]") {
  const std::string said = value_of(
      "select(2, pg:new('host=127.0.0.1 port=1 user=u password=secret'):execute('SELECT 1'))");
  CHECK(has(said, "refused"));
  CHECK_FALSE(has(said, "secret"));
}

TEST_CASE("pg library: one function listens to a channel", "[script][pg]") {
  CHECK(has(error_of("local db = pg:new('host=127.0.0.1 port=1') db:listen('x', print)\n"
                     "db:listen('y', print) db:listen('x', print)"),
            "Duplicate notify name"));
}

TEST_CASE("control_listen: what it declares", "[script][control]") {
  Stage stage{
      "control_listen('*', {multicast_group = '239.1.2.3', interface = 'lo',\n"
      "                     from = {'192.0.2.0/24', '10.0.0.0/8', '10.0.0.0/8'}})\n"
      "control_listen('@control', {allow_uids = {7, 0, 7}})"};
  const auto declaration = stage.load();
  REQUIRE(declaration.controls.size() == 2);
  const auto& group = declaration.controls[0];
  CHECK(group.where == net::Address::any(5478));
  CHECK(group.socket.multicast_group->host() == "239.1.2.3");
  CHECK(group.socket.interface == "lo");
  CHECK(group.from->size() == 2);
  CHECK_FALSE(group.allow_uids);
  CHECK(*declaration.controls[1].allow_uids == std::vector<std::uint32_t>{0, 7});
  CHECK(has(stage.host().describe(), "control_listen @control\n"));
}

TEST_CASE("control_listen: workers must declare the same", "[script][control]") {
  const auto declared = [](const char* script) { return Stage{script}.load(); };
  const auto first = declared("control_listen('*:1') control_listen('@x')");
  CHECK_FALSE(first.difference(declared("control_listen('@x') control_listen('*:1')")));
  CHECK(first.difference(declared("control_listen('@x')")) ==
        "control_listen on *:1 is missing or another");
  CHECK(declared("control_listen('@x')").difference(first) ==
        "additionally, control_listen on *:1 is missing or another");
  CHECK(first.difference(declared("control_listen('@x') control_listen('*:1', {from={'::1'}})")));
}

TEST_CASE("control_listen: belongs to the main chunk", "[script][control]") {
  Stage stage{"function reload() control_listen('*') end"};
  stage.load();
  stage.host().commit();
  perilune::test::run_task(stage.loop(), stage.host().call_reload());
  CHECK(stage.log().contains("control_listen belongs to the main chunk"));
}

}  // namespace perilune::script
