#include "script/apps_file.hh"

#include "data/json.hh"
#include "support/catch.hh"

namespace perilune::script {

namespace {

// The list as JSON, or what is wrong.
std::string read(std::string_view label, std::string_view text) {
  const auto apps = read_apps(label, text);
  return apps ? *data::dump_json(*apps) : apps.error().message;
}

// Of one app in YAML, whose lines are these, from line 4 on.
std::string app(const std::string& lines) {
  return read("a.yaml", "Apps:\n- Name: web\n  Ports: [80]\n  Targets: ['h:1']\n" + lines);
}

std::string wrong(const std::string& lines) {
  std::string message = app(lines);
  const std::string_view start = "a.yaml:5: app 'web': ";
  return message.starts_with(start) ? message.substr(start.size()) : "no such start: " + message;
}

constexpr const char* kSimple =
    R"([{"line":2,"listen":["*:80"],"name":"web","ports":[80],"targets":[{"address":"h:1"}]}])";

}  // namespace

TEST_CASE("script apps: the ending of the name says what a file is", "[script]") {
  for (const char* name : {"a.json", "/etc/x/A.JSON", "a.yaml", "a.YML", "a.toml"}) {
    CHECK(is_apps_file(name));
  }
  for (const char* name : {"a.lua", "json", "a.json.lua", "", "a.json/x"}) {
    CHECK_FALSE(is_apps_file(name));
  }
  CHECK(read("a.txt", "") == "a.txt: the name must end in .json, .yaml, .yml or .toml");
}

TEST_CASE("script apps: the same app in three languages", "[script]") {
  CHECK(app("") == kSimple);
  CHECK(read("a.json",
             "{\"apps\": [\n{\"name\": \"web\", \"ports\": 80, \"targets\": [\"h:1\"]}]}") ==
        kSimple);
  CHECK(read("a.toml", "\n[[Apps]]\nName = 'web'\nPorts = [80]\nTargets = ['h:1']\n") == kSimple);
}

TEST_CASE("script apps: all that an app may say", "[script]") {
  CHECK(read("a.yaml", R"(
APPS:
- name: web
  PORTS: [80, 81]
  listen: ['127.0.0.1', '::1', '[fe80::1]', '*']
  targets:
  - '[::1]:7'
  - /run/x.sock
  - {Address: 'b.example:8', weight: 2, backup: true, max_connections: 9, name: b}
  balance: LeastConnections
  health: {interval: 500ms, timeout: 2, rise: 1, fall: 3}
  max-connections: 100
  tls: {cert: c.pem, key: k.pem, clientCA: ca.pem, minVersion: '1.3'}
  connectTimeout: 3s
  idle_timeout: 1m
  retry: 0
  sendProxy: V2
)") == R"([{"balance":"least_connections","connect_timeout":3,)"
       R"("health":{"fall":3,"interval":0.5,"rise":1,"timeout":2},"idle_timeout":60,"line":3,)"
       R"("listen":["127.0.0.1:80","[::1]:80","[fe80::1]:80","*:80",)"
       R"("127.0.0.1:81","[::1]:81","[fe80::1]:81","*:81"],)"
       R"("max_connections":100,"name":"web","ports":[80,81],"retry":0,"send_proxy":"v2",)"
       R"("targets":[{"address":"[::1]:7"},{"address":"/run/x.sock"},)"
       R"({"address":"b.example:8","backup":true,"max_connections":9,"name":"b","weight":2}],)"
       R"("tls":{"cert":"c.pem","client_ca":"ca.pem","key":"k.pem","min_version":"1.3"}}])");
  CHECK(app("  health: true").find(R"("health":true)") != std::string::npos);
  CHECK(app("  sticky: true").find(R"("sticky":"source_hash")") != std::string::npos);
  CHECK(app("  sticky: false\n  balance: random").find(R"("sticky":null)") != std::string::npos);
  CHECK(app("  sticky: source_hash\n  balance: source-hash").starts_with("[{"));
}

TEST_CASE("script apps: keys that are not there", "[script]") {
  CHECK(wrong("  Target: []") == "unknown key 'Target', did you mean 'Targets'?");
  CHECK(wrong("  ports: [1]") == "'Ports' is there twice");
  CHECK(wrong("  Health: {Intervall: 1}") == "unknown key 'Intervall', did you mean 'Interval'?");
  CHECK(wrong("  TLS: {Key: x}") == "'Cert' is missing");
  CHECK(read("a.json", "{\n\"App\": []}") == "a.json:2: unknown key 'App', did you mean 'Apps'?");
  CHECK(read("a.json", "{}") == "a.json:1: 'Apps' is missing");
  CHECK(read("a.json", "{\"Apps\": []}") == "a.json:1: 'Apps' is empty");
  CHECK(read("a.json", "{\"Apps\": [\n{\"Name\": \"x\", \"Ports\": [1]}]}") ==
        "a.json:2: app 'x': 'Targets' is missing");
  CHECK(read("a.json", "{\"Apps\": [{}, 1]}") == "a.json:1: app 1: 'Name' is missing");
}

TEST_CASE("script apps: values that cannot be", "[script]") {
  CHECK(wrong("  Balance: rond_robin") ==
        "'Balance': unknown value 'rond_robin', did you mean 'round_robin'?");
  CHECK(wrong("  MaxConnections: 0").starts_with("'MaxConnections': a whole number from 1 to "));
  CHECK(wrong("  MaxConnections: 1.5").ends_with(", got 1.5"));
  CHECK(wrong("  MaxConnections: many") == "'MaxConnections': a number expected, got a text");
  CHECK(wrong("  Health: sure") == "'Health': a map expected, got a text");
  CHECK(wrong("  Health: {Interval: soon}").starts_with("'Interval': "));
  CHECK(wrong("  Health: {Rise: -1}").starts_with("'Rise': a whole number from 1 to "));
  CHECK(wrong("  Listen: example.org").starts_with("'Listen': a numeric address without a port "));
  CHECK(wrong("  Listen: 127.0.0.1:80").starts_with("'Listen': a numeric address without a port "));
  CHECK(wrong("  Listen: /run/x").starts_with("'Listen': a numeric address without a port "));
  CHECK(wrong("  Listen: []") == "'Listen' is empty");
  CHECK(wrong("  Sticky: cookie") == "'Sticky': unknown value 'cookie'");
  CHECK(wrong("  Sticky: true\n  Balance: first") ==
        "'Sticky' is a balance of its own: remove 'Balance'");
  CHECK(wrong("  SendProxy: v3") == "'SendProxy': unknown value 'v3', did you mean 'v1'?");
}

TEST_CASE("script apps: ports and targets that cannot be", "[script]") {
  const auto one = [](const std::string& ports, const std::string& targets) {
    return read("a.yaml",
                "Apps:\n- Name: web\n  Ports: " + ports + "\n  Targets: " + targets + "\n");
  };
  CHECK(one("[0]", "['h:1']") ==
        "a.yaml:3: app 'web': 'Ports': a whole number from 1 to 65535 expected, got 0");
  CHECK(one("[65536]", "['h:1']").ends_with("got 65536"));
  CHECK(one("http", "['h:1']") == "a.yaml:3: app 'web': 'Ports': a number expected, got a text");
  CHECK(one("[]", "['h:1']") == "a.yaml:3: app 'web': 'Ports' is empty");
  CHECK(one("[80, 80]", "['h:1']") ==
        "a.yaml:3: app 'web': 'Ports': *:80 belongs to app 'web' already");
  CHECK(one("[80]", "h:1") == "a.yaml:4: app 'web': 'Targets': a list expected, got a text");
  CHECK(one("[80]", "[]") == "a.yaml:4: app 'web': 'Targets' is empty");
  CHECK(one("[80]", "[h]").starts_with("a.yaml:4: app 'web': 'Targets': "));
  CHECK(one("[80]", "[{Weight: 1}]") == "a.yaml:4: app 'web': 'Address' is missing");
  CHECK(one("[80]", "[{Address: 'h:1', Weight: 0}]")
            .starts_with("a.yaml:4: app 'web': 'Weight': a whole number from 1 to 65535 "));
  CHECK(one("[80]", "[{Address: 'h:1', Backup: 1}]") ==
        "a.yaml:4: app 'web': 'Backup': true or false expected, got a number");
}

TEST_CASE("script apps: two apps share neither a port nor a name", "[script]") {
  const auto two = [](const std::string& name, int port) {
    return read("a.json", R"({"Apps": [{"Name": "a", "Ports": [80], "Targets": ["h:1"]},
      {"Name": ")" + name + R"(", "Ports": [)" +
                              std::to_string(port) + R"(], "Targets": ["h:1"]}]})");
  };
  CHECK(two("b", 81).starts_with("[{"));
  CHECK(two("b", 80) == "a.json:2: app 'b': 'Ports': *:80 belongs to app 'a' already");
  CHECK(two("a", 81) == "a.json:2: app 'a': 'Name': another app has it already");
}

TEST_CASE("script apps: texts of no language", "[script]") {
  CHECK(read("a.json", "{\n,").starts_with("a.json: parse error at line 2, column 1: "));
  CHECK(read("a.yaml", "a: [").starts_with("a.yaml: line 1, column "));
  CHECK(read("a.toml", "a = ").starts_with("a.toml: line 1, column "));
  CHECK(read("a.yaml", "").starts_with("a.yaml: 'the file': a map expected, got nothing"));
}

}  // namespace perilune::script
