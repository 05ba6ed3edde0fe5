#include "data/toml.hh"

#include "show.hh"
#include "support/catch.hh"

namespace perilune::data {

using test::repeat;
using test::show;

namespace {

std::string json_of(std::string_view text) { return show(parse_toml(text)); }

}  // namespace

TEST_CASE("toml: tables, lists and values", "[data]") {
  CHECK(json_of("a = 1\nb.c = 'x'\n[d]\ne = [1, 2.5, true]\n[[f]]\ng = 1\n[[f]]\ng = 2\n") ==
        R"({"a":1,"b":{"c":"x"},"d":{"e":[1,2.5,true]},"f":[{"g":1},{"g":2}]})");
  CHECK(json_of("") == "{}");
  CHECK(json_of("a = 0x10\nb = 1_000\nc = 2.0\n") == R"({"a":16,"b":1000,"c":2})");
}

TEST_CASE("toml: dates and times are texts", "[data]") {
  CHECK(json_of("a = 1979-05-27\nb = 07:32:00\nc = 1979-05-27T07:32:00Z\n"
                "d = 1979-05-27 00:32:00.5-07:00\n") ==
        R"({"a":"1979-05-27","b":"07:32:00","c":"1979-05-27T07:32:00Z",)"
        R"("d":"1979-05-27T00:32:00.5-07:00"})");
}

TEST_CASE("toml: what is wrong is told with its line", "[data]") {
  CHECK(json_of("a = 1\nb = \n").starts_with("error: line 2, column "));
  CHECK(json_of("a = 1\na = 2\n").starts_with("error: line 2, column "));
  CHECK(json_of("a = 'x\n").starts_with("error: line 1, column "));
  CHECK(json_of("\xff = 1\n").starts_with("error: line 1, column "));
}

TEST_CASE("toml: depth is bounded", "[data]") {
  CHECK(json_of("a = " + repeat("[", 100000)).starts_with("error: "));
  CHECK(json_of("a = " + repeat("{a=", 100000)).starts_with("error: "));
  CHECK(json_of("a" + repeat(".a", 32) + " = 1").starts_with("{\"a\":"));
  const std::string many = repeat("a.", 1000000) + "a";
  const std::string quoted = repeat("\"=\" . '#\\'. ", 1000) + "a";
  for (const std::string& key : {many, quoted}) {
    CHECK(json_of("\n" + key + " = 1") == "error: line 2: nested too deeply");
    CHECK(json_of("x = 'y' # z\n[" + key + "]") == "error: line 2: nested too deeply");
    CHECK(json_of("x = {" + key + " = 1}") == "error: line 1: nested too deeply");
  }
}

TEST_CASE("toml: dots in texts and comments are no depth", "[data]") {
  const std::string dots(100, '.');
  CHECK(json_of("a = '" + dots + "'\nb = \"\\\"" + dots + "\" # " + dots + "\n") ==
        "{\"a\":\"" + dots + "\",\"b\":\"\\\"" + dots + "\"}");
  CHECK(json_of("a = '''\n" + dots + "'''\nb = \"\"\"" + dots + "\\\n" + dots + "\"\"\"\n") ==
        "{\"a\":\"" + dots + "\",\"b\":\"" + dots + dots + "\"}");
}

TEST_CASE("toml: values and keys know their lines", "[data]") {
  const auto parsed = parse_toml("a = 1\n\nb = [\n 2]\n");
  REQUIRE(parsed);
  const auto& map = std::get<Tree::Map>(parsed->what);
  CHECK(map[0].line == 1);
  CHECK(map[1].line == 3);
  CHECK(std::get<Tree::List>(map[1].value.what)[0].line == 4);
}

}  // namespace perilune::data
