#include "script/log.hh"

#include "support/catch.hh"
#include "told.hh"

namespace perilune::script {

namespace {

using Options = log::QueryLogOptions;
using test::caught;
using test::Play;
using test::Stage;

constexpr const char* kListen = " mysql_listen('127.0.0.1:0', {on_login = print}";

std::string error_of(const std::string& script) { return Stage{script}.load_error(); }

log::Record example() {
  log::Record record;
  record.session = 17;
  record.user = "anna";
  record.kind = "query";
  record.sql = "SELECT 1";
  record.sql_size = 8;
  record.rows = 1;
  record.error = log::RecordError{1064, "42000", "no"};
  return record;
}

// With the logs `one` and `two`, and an on_log of this body.
Play logging(const std::string& body) {
  return Play{
      "one = log_file('/tmp/one') two = log_file('/tmp/two')"
      " mysql_listen('127.0.0.1:0', {on_login = print, on_log = function(client, record) " +
      body + " end}, {log = one})"};
}

std::vector<std::string> targets(const session::LogList& logs) {
  std::vector<std::string> names;
  if (!logs) return names;
  for (const auto& log : *logs) names.push_back(log->options.target);
  return names;
}

// What on_log chose; "client.log" if nothing.
std::vector<std::string> chosen(const std::string& body) {
  Play play = logging(body);
  const auto logs = play.hooks().on_log(example());
  return logs ? targets(*logs) : std::vector<std::string>{"client.log"};
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("script log: what is declared", "[script]") {
  Stage stage{std::string(R"(
    log_file('/var/log/a', {mode = 0604, parameters = true, mask = false, max_statement = '1K'})
    log_socket('/run/s', {format = 'json', type = 'dgram', on_full = 'block', block_timeout = 5})
    log_syslog()
    log_syslog{address = '127.0.0.1', type = 'stream', format = 'json', buffer = '8M'}
    log_journal()
    log_socket('127.0.0.1:9', {format = 'raw'}))") +
              kListen + ")"};
  const auto logs = stage.load().logs;
  REQUIRE(logs.size() == 6);
  CHECK(logs[0].where == Options::Where::File);
  CHECK(logs[0].mode == 0604U);
  CHECK(logs[0].parameters);
  CHECK_FALSE(logs[0].mask);
  CHECK(logs[0].max_statement == 1024);
  CHECK(logs[1].format == Options::Format::Json);
  CHECK(logs[1].type == Options::Type::Datagram);
  CHECK(logs[1].on_full == Options::OnFull::Block);
  CHECK(logs[1].block_timeout == Millis{5000});
  CHECK(logs[2].target == "/dev/log");
  CHECK(logs[2].type == Options::Type::Datagram);
  CHECK(logs[3].type == Options::Type::Stream);
  CHECK(logs[3].buffer == 8U << 20);
  CHECK(logs[4].target == "/run/systemd/journal/socket");
  CHECK(logs[5].format == Options::Format::Raw);
  CHECK(test::contains(stage.host().describe(), "log_file /var/log/a\nlog_socket /run/s\n"));
}

TEST_CASE("script log: equal ones are one, and two scripts must declare the same", "[script]") {
  Stage stage{std::string("a = log_file('/x') assert(a == log_file('/x', {mask = true}))"
                          " assert(a ~= log_file('/x', {mask = false}))") +
              kListen + ", {log = {a}})"};
  const auto declaration = stage.load();
  CHECK(declaration.logs.size() == 2);
  Stage other{std::string("a = log_file('/x') b = log_file('/y')") + kListen + ", {log = {a}})"};
  const auto difference = declaration.difference(other.load());
  REQUIRE(difference);
  CHECK(test::contains(*difference, "/x"));
  CHECK_FALSE(declaration.difference(declaration));
}

TEST_CASE("script log: mistakes", "[script]") {
  const std::string at = "config.lua:1: ";
  CHECK(error_of("log_file()") == at + "bad argument #1 to 'log_file' (string expected, got no value)");
  CHECK(error_of("log_file('')") == at + "Empty string not allowed");
  CHECK(error_of("log_file('/x', {formt = 1})") ==
        at + "unknown option 'formt', did you mean 'format'?");
  for (const char* use :
       {"log_file('/x', {format = 'raw'})", "log_syslog{format = 'raw'}",
        "log_file('/x', {type = 'dgram'})", "log_socket('/x', {format = 'raw', type = 'dgram'})",
        "log_journal{format = 'json'}", "log_file('/x', {format = 'xml'})",
        "log_file('/x', {on_full = 'wait'})", "log_file('/x', {max_statement = 0})",
        "log_file('/x', {max_statement = '2M', buffer = '64M'})",
        "log_file('/x', {buffer = '64K'})", "log_file('/x', {max_statement = 1, buffer = 1000})",
        "log_file('/x', {buffer = '2G'})", "log_socket('/x', {mode = 0600})",
        "log_file('/x', {block_timeout = 'long'})",
        "tcp_listen('*:1', {on_connect = print}, {log = 1})"}) {
    CAPTURE(use);
    CHECK(error_of(use) != "no error");
  }
}

TEST_CASE("script log: logs belong to the main chunk", "[script]") {
  for (const char* use : {"log_file('/x')", "log_socket('/x')", "log_syslog()", "log_journal()"}) {
    CHECK(test::contains(caught(use), "belongs to the main chunk"));
  }
}

TEST_CASE("script log: client.log is what the listener says, then what is assigned", "[script]") {
  const std::string logs = "one = log_file('/tmp/one') two = log_file('/tmp/two') ";
  Play play{logs +
            "mysql_listen('127.0.0.1:0', {on_login = function(client) assert(client.log == one)"
            " client.log = {one, two} assert(client.log[2] == two and #client.log == 2)"
            " assert(not pcall(function() client.log = 'x' end))"
            " assert(not pcall(function() client.log = {one, 'x'} end))"
            " return client:err('well') end}, {log = one})"};
  CHECK(targets(play.session().logs) == Names{"/tmp/one"});
  CHECK(Play::say(play.log_in()) == "well");
  CHECK(targets(play.session().logs) == Names{"/tmp/one", "/tmp/two"});
  Play none{logs +
            "mysql_listen('127.0.0.1:0', {on_login = function(client) client.log = nil"
            " assert(client.log == nil) return client:err('well') end}, {log = {one}})"};
  CHECK(Play::say(none.log_in()) == "well");
  CHECK_FALSE(none.session().logs);
}

TEST_CASE("script log: what on_log returns decides", "[script]") {
  CHECK(chosen("") == Names{"client.log"});
  CHECK(chosen("return nil") == Names{"client.log"});
  CHECK(chosen("return false").empty());
  CHECK(chosen("return {}").empty());
  CHECK(chosen("return two") == Names{"/tmp/two"});
  CHECK(chosen("return {two, one}") == Names{"/tmp/two", "/tmp/one"});
}

TEST_CASE("script log: an on_log that fails leaves the record to client.log, and is told of",
          "[script]") {
  for (const char* body : {"error('boom')", "return true", "return 'one'", "return two, one",
                           "sleep(1)", "return {one, 5}"}) {
    CAPTURE(body);
    Play play = logging(body);
    CHECK_FALSE(play.hooks().on_log(example()));
    CHECK(play.log().contains("on_log"));
  }
}

TEST_CASE("script log: what on_log sees", "[script]") {
  CHECK(
      chosen(
          "assert(record.sql == 'SELECT 1' and record.sql_bytes == 8 and record.kind == 'query')"
          " assert(record.user == 'anna' and record.session == 17 and record.rows == 1)"
          " assert(record.error.code == 1064 and record.error.sqlstate == '42000')"
          " assert(record.database == nil and record.affected == nil and record.parameters == nil)"
          " assert(record.answered and client.id) return two") == Names{"/tmp/two"});
  Play play = logging(
      "assert(record.parameters.n == 2 and record.parameters[1] == 5"
      " and record.parameters[2] == nil) return two");
  log::Record record = example();
  const std::vector<std::vector<BoundValue>> rows{{BoundValue{std::int64_t{5}}, BoundValue{}}};
  record.parameters = rows;
  CHECK(play.hooks().on_log(record).has_value());
}

TEST_CASE("script log: counters, zero before it is open", "[script]") {
  Play play{
      "one = log_file('/tmp/one') mysql_listen('127.0.0.1:0', {on_login = function(client)"
      " assert(one.written == 0 and one.dropped == 0 and one.errors == 0)"
      " assert(not pcall(function() return one.nosuch end)) return client:err('well') end})"};
  CHECK(Play::say(play.log_in()) == "well");
}

}  // namespace perilune::script
