#include "lua/options.hh"

#include <array>

#include "bridge.hh"
#include "support/catch.hh"

namespace perilune::lua {

using test::Bridge;

namespace {

constexpr std::array<std::string_view, 7> kNames{
    "backlog", "connect_timeout", "read_only", "server_version", "buffer", "from", "inner"};

std::string show(lua_State* L) {
  const Options options{L, 1, "option", kNames};
  std::string text;
  if (const auto value = options.integer("backlog", 1000)) text += std::to_string(*value) + ";";
  if (const auto value = options.duration("connect_timeout")) {
    text += std::to_string(value->count()) + ";";
  }
  if (const auto value = options.boolean("read_only")) text += *value ? "true;" : "false;";
  if (const auto value = options.text("server_version")) text += *value + ";";
  if (const auto value = options.size("buffer")) text += std::to_string(*value) + ";";
  if (const auto value = options.texts("from")) {
    for (const std::string& entry : *value) text += entry + ",";
  }
  if (options.push_table("inner")) {
    constexpr std::array<std::string_view, 1> kInner{"x"};
    text += Options{L, lua_gettop(L), "inner option", kInner}.text("x").value_or("none");
    lua_pop(L, 1);
  }
  return text;
}

int read(lua_State* L) {
  check_table(L, 1);
  const std::string text = show(L);
  push_text(L, text);
  return 1;
}

std::string run(const std::string& script) {
  Bridge bridge;
  bridge.state().protect([](lua_State* L) {
    constexpr Function kFunctions[] = {{"read", guarded<read>}};
    lua_pushvalue(L, LUA_GLOBALSINDEX);
    set_functions(L, kFunctions);
  });
  return bridge.run("return (read" + script + ")");
}

}  // namespace

TEST_CASE("lua options: values", "[lua]") {
  CHECK(run("{backlog = 5, connect_timeout = 0.25, read_only = false, server_version = '8',"
            " buffer = '16M'}") == "5;250;false;8;16777216;");
  CHECK(run("{connect_timeout = '3s', buffer = 4096}") == "3000;4096;");
  CHECK(run("{}").empty());
  CHECK(run("{from = {'a', 'b'}}") == "a,b,");
  CHECK(run("{inner = {x = 'y'}}") == "y");
  CHECK(run("{inner = {}}") == "none");
}

TEST_CASE("lua options: mistakes are named", "[lua]") {
  CHECK(run("{conect_timeout = 1}") ==
        "error: script:1: unknown option 'conect_timeout', did you mean 'connect_timeout'?");
  CHECK(run("{zzz = 1}") == "error: script:1: unknown option 'zzz'");
  CHECK(run("{[1] = 1}") == "error: script:1: option names are strings, got a number");
  CHECK(run("{read_only = 1}") ==
        "error: script:1: bad 'read_only' value (boolean expected, got number)");
  CHECK(run("{backlog = 1.5}").find("bad 'backlog' value") != std::string::npos);
  CHECK(run("{backlog = 1001}").find("from 0 to 1000") != std::string::npos);
  CHECK(run("{backlog = {}}").find("number expected, got table") != std::string::npos);
  CHECK(run("{connect_timeout = -1}").find("bad 'connect_timeout' value") != std::string::npos);
  for (const char* list : {"{1}", "{'a', x = 'b'}", "{[2] = 'a'}", "{'a', nil, 'c'}", "{{}}"}) {
    CHECK(run(std::string("{from = ") + list + "}") ==
          "error: script:1: bad 'from' value (a list of strings expected)");
  }
  CHECK(run("{from = {}}").find("at least one string expected") != std::string::npos);
  CHECK(run("{from = 'a'}").find("table expected, got string") != std::string::npos);
  CHECK(run("{inner = {y = 1}}") == "error: script:1: unknown inner option 'y'");
  CHECK(run("(5)") == "error: script:1: bad argument #1 to 'read' (table expected, got number)");
}

}  // namespace perilune::lua
