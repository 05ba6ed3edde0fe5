// on_query and on_init_db.

#include <string>
#include <variant>

#include "lua/memory.hh"
#include "stage.hh"
#include "support/catch.hh"

namespace perilune::script {

using session::ResultTable;
using session::StatementDecision;
using session::StatementKind;
using test::Play;

namespace {

std::string with_query(const std::string& body) {
  return "mysql_listen('*:1', {on_login = print, on_query = function(client, sql, kind)\n" + body +
         "\nend, on_init_db = function(client, name)\n" + body + "\nend})";
}

std::string text_of(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return '"' + *text + '"';
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* number = std::get_if<double>(&value)) return 'd' + std::to_string(*number);
  if (const auto* truth = std::get_if<bool>(&value)) return *truth ? "true" : "false";
  return "nil";
}

std::string text_of(const ResultTable& table) {
  std::string text = "table";
  for (const std::string& column : table.columns) text += ' ' + column;
  for (const auto& row : table.rows) {
    text += " |";
    for (const Value& value : row) text += ' ' + text_of(value);
  }
  return text;
}

std::string say(const StatementDecision& decision) {
  if (const auto* refusal = std::get_if<session::Refuse>(&decision)) {
    return "refuse " + refusal->message;
  }
  if (const auto* text = std::get_if<session::SendInstead>(&decision)) return "send " + text->text;
  if (const auto* name = std::get_if<session::UseDatabase>(&decision)) return "use " + name->name;
  if (const auto* success = std::get_if<session::Succeed>(&decision)) {
    return "ok " + std::to_string(success->affected_rows);
  }
  if (const auto* table = std::get_if<std::shared_ptr<const ResultTable>>(&decision)) {
    return text_of(**table);
  }
  return "proceed";
}

std::string query(const std::string& body, StatementKind kind = StatementKind::Query) {
  Play play{with_query(body)};
  return say(play.query("SELECT 1", kind));
}

std::string init_db(const std::string& body) {
  Play play{with_query(body)};
  return say(play.init_db("shop"));
}

// The message of an error that the body raises.
std::string raised(const std::string& body) {
  Play play{with_query(body)};
  CHECK(say(play.query("x")) == "refuse Lua error");
  return play.log().text();
}

}  // namespace

TEST_CASE("script statements: what a handler lacks is not asked", "[script]") {
  Play bare{"mysql_listen('*:1', {on_login = print})"};
  CHECK_FALSE(bare.hooks().has_on_query());
  CHECK_FALSE(bare.hooks().has_on_init_db());
  Play full{with_query("")};
  CHECK(full.hooks().has_on_query());
  CHECK(full.hooks().has_on_init_db());
}

TEST_CASE("script statements: what the callbacks are told", "[script]") {
  CHECK(query("return client:err(sql .. '/' .. kind)") == "refuse SELECT 1/query");
  CHECK(query("return client:err(kind)", StatementKind::Prepare) == "refuse prepare");
  CHECK(query("return client:err(kind)", StatementKind::Command) == "refuse command");
  CHECK(init_db("return client:err(name)") == "refuse shop");
  CHECK(query("return client:err(client.user == nil and 'no user' or client.user)") ==
        "refuse no user");
}

TEST_CASE("script statements: every return value", "[script]") {
  CHECK(query("") == "proceed");
  CHECK(query("return nil") == "proceed");
  CHECK(query("return client:query('SELECT 2')") == "send SELECT 2");
  CHECK(query("return client:ok()") == "ok 0");
  CHECK(query("return client:ok(7)") == "ok 7");
  CHECK(query("return client:err()") == "refuse ");
  CHECK(query("return client:result{columns = {'a', 'b'}, rows = {{1, 'x'}, {1.5}, {nil, true}}}") ==
        "table a b | 1 \"x\" | d1.500000 nil | nil true");
  CHECK(query("return client:result{columns = {'a'}}") == "table a");
  CHECK(query("sleep(0.001) return client:ok(3)") == "ok 3");
  CHECK(init_db("return client:init_db('other')") == "use other");
  CHECK(init_db("sleep(0.001)") == "proceed");
}

TEST_CASE("script statements: what does not fit refuses", "[script]") {
  const std::string refused = "refuse Lua error";
  for (const char* body : {"error('x')", "return 5", "return client:ok(), client:ok()",
                           "return client:init_db('x')", "return client:serve()",
                           "return client:connect('127.0.0.1', {user = 'x'})"}) {
    CAPTURE(body);
    CHECK(query(body) == refused);
  }
  for (const char* body : {"return client:query('x')", "return client:ok()",
                           "return client:result{columns = {'a'}}"}) {
    CAPTURE(body);
    CHECK(query(body, StatementKind::Command) == refused);
    CHECK(init_db(body) == refused);
  }
  CHECK(query("return client:err('never')", StatementKind::Command) == "refuse never");
}

TEST_CASE("script statements: mistakes in an answer are named", "[script]") {
  const auto contains = [](const std::string& text, const char* part) {
    CAPTURE(text, part);
    CHECK(text.find(part) != std::string::npos);
  };
  contains(raised("return client:result{}"), "no 'columns'");
  contains(raised("return client:result{columns = {}}"), "at least one name");
  contains(raised("return client:result{columns = {1}}"), "names expected");
  contains(raised("return client:result{colums = {'a'}}"), "did you mean 'columns'");
  contains(raised("return client:result{columns = {'a'}, rows = {5}}"), "row 1 is not a table");
  contains(raised("return client:result{columns = {'a'}, rows = {{}, {1, 2}}}"),
           "row 2 has more values than columns");
  contains(raised("return client:result{columns = {'a'}, rows = {{{}}}}"), "a row holds a table");
  contains(raised("return client:result{columns = {'a'}, rows = {{print}}}"),
           "a row holds a function");
  contains(raised("return client:result()"), "Invalid parameters");
  contains(raised("return client:query('')"), "Empty string");
  contains(raised("return client:query()"), "Invalid parameters");
  contains(raised("return client:ok(-1)"), "bad number of affected rows");
  contains(raised("return client:ok(1.5)"), "bad number of affected rows");
  contains(raised("return client:init_db()"), "Invalid parameters");
}

TEST_CASE("script statements: a result is a value, reusable", "[script]") {
  Play play{R"(
    local kept
    mysql_listen('*:1', {on_login = print, on_query = function(client)
      kept = kept or client:result{columns = {'a'}, rows = {{'same'}}}
      return kept
    end}))"};
  for (int i = 0; i < 3; ++i) CHECK(say(play.query("x")) == "table a | \"same\"");
}

TEST_CASE("script statements: a callback that waits is cancelled with its session", "[script]") {
  Play play{with_query("sleep(60)")};
  CHECK_FALSE(play.hooks().on_query("x", StatementKind::Query));
  play.end_session();
}

TEST_CASE("script statements: callback_timeout", "[script]") {
  Play play{"settings{callback_timeout = 0.01}" + with_query("sleep(60)")};
  CHECK(say(play.query("x")) == "refuse Lua error");
  CHECK(play.log().contains("callback_timeout"));
}

TEST_CASE("script statements: any allocation in on_init_db may fail", "[script]") {
  Play play{with_query("if name == 'wait' then sleep(0.0001) end return client:init_db(name .. 1)")};
  lua::Memory& memory = play.stage().host().state().memory();
  for (const std::string name : {"now", "wait"}) {
    int failures = 0;
    for (std::uint64_t n = 1;; ++n) {
      const std::uint64_t before = memory.allocations();
      memory.fail_at(n);
      const std::string said = say(play.init_db(name));
      const bool reached = memory.allocations() - before >= n;
      memory.fail_at(0);
      CHECK((said == "refuse Lua error" || said == "use " + name + "1"));
      if (said == "refuse Lua error") ++failures;
      CHECK(say(play.init_db(name)) == "use " + name + "1");
      if (!reached) break;
      REQUIRE(n < 5000);
    }
    CHECK(failures > 0);
  }
}

TEST_CASE("script statements: any allocation in a callback may fail", "[script]") {
  Play play{with_query(R"(
    if sql == 'wait' then sleep(0.0001) end
    return client:result{columns = {'a', sql}, rows = {{1, sql .. kind}}}
  )")};
  lua::Memory& memory = play.stage().host().state().memory();
  for (const char* sql : {"now", "wait"}) {
    int failures = 0;
    for (std::uint64_t n = 1;; ++n) {
      const std::uint64_t before = memory.allocations();
      memory.fail_at(n);
      const std::string said = say(play.query(sql));
      const bool reached = memory.allocations() - before >= n;
      memory.fail_at(0);
      CHECK((said == "refuse Lua error" || said.starts_with("table")));
      if (!said.starts_with("table")) ++failures;
      CHECK(say(play.query(sql)).starts_with("table"));
      if (!reached) break;
      REQUIRE(n < 5000);
    }
    CHECK(failures > 5);
  }
}

}  // namespace perilune::script
