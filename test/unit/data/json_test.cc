#include "data/json.hh"

#include <limits>

#include "show.hh"
#include "support/catch.hh"

namespace perilune::data {

using test::repeat;
using test::show;

namespace {

std::string round(std::string_view text) { return show(parse_json(text)); }

std::string nested(std::size_t depth) { return repeat("[", depth) + repeat("]", depth); }

}  // namespace

TEST_CASE("json: what is read and written is the same", "[data]") {
  for (const char* text : {"null", "true", "false", "0", "-7", "1.5", "\"\"", "[]", "{}", "[1,[2]]",
                           R"({"a":{"b":[null,{}]},"c":"d"})", R"("\"\\\n\u0000ä")"}) {
    CHECK(round(text) == text);
  }
}

TEST_CASE("json: numbers are whole or not", "[data]") {
  CHECK(round("[1.0,1e3,-0.0,0.1,1e300,-2.5e-7]") == "[1,1000,0,0.1,1e+300,-2.5e-07]");
  CHECK(round("[9007199254740992,1e15,9223372036854775807,18446744073709551615]") ==
        "[9007199254740992,1000000000000000,9.223372036854776e+18,1.8446744073709552e+19]");
  CHECK(round("1e999").starts_with("error: "));
}

TEST_CASE("json: keys are sorted, and of equal ones the last counts", "[data]") {
  CHECK(round(R"({"b":1,"a":2,"b":3})") == R"({"a":2,"b":3})");
  const auto map = parse_json(R"({"b":1,"b":3})");
  CHECK(std::get<double>(find(std::get<Tree::Map>(map->what), "b")->what) == 3);
  CHECK(find(std::get<Tree::Map>(map->what), "c") == nullptr);
}

TEST_CASE("json: what is no JSON is an error that tells where", "[data]") {
  CHECK(round("[1,\n x]").starts_with("error: parse error at line 2, column 2: "));
  for (const char* text : {"", "[", "{\"a\"}", "[1,]", "nul", "1 2", "\"\xff\"", "\"\n\"", "'a'"}) {
    CHECK(round(text).starts_with("error: parse error at line "));
  }
}

TEST_CASE("json: depth is bounded", "[data]") {
  CHECK(round(nested(kMaxDepth)) == nested(kMaxDepth));
  CHECK(round(nested(kMaxDepth + 1)) == "error: nested too deeply");
  CHECK(round(repeat("{\"a\":", 1000000)) == "error: nested too deeply");
}

TEST_CASE("json: values and keys know their lines", "[data]") {
  const auto parsed = parse_json("{\n \"a\":\n  1\n,\n\"b\": [\ntrue,\n2]}");
  REQUIRE(parsed);
  const auto& map = std::get<Tree::Map>(parsed->what);
  CHECK(parsed->line == 1);
  CHECK(map[0].line == 2);
  CHECK(map[0].value.line == 3);
  CHECK(map[1].line == 5);
  CHECK(std::get<Tree::List>(map[1].value.what)[0].line == 6);
  CHECK(std::get<Tree::List>(map[1].value.what)[1].line == 7);
}

TEST_CASE("json: what JSON cannot say is not written", "[data]") {
  CHECK_FALSE(dump_json(Tree{std::numeric_limits<double>::infinity()}));
  CHECK_FALSE(dump_json(Tree{std::numeric_limits<double>::quiet_NaN()}));
  CHECK(dump_json(Tree{"\xff"}).error().message.find("invalid UTF-8") != std::string::npos);
  CHECK_FALSE(dump_json(Tree{Tree::Map{{"\xff", {}}}}));
}

}  // namespace perilune::data
