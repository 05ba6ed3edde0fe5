#include "data/yaml.hh"

#include "show.hh"
#include "support/catch.hh"

namespace perilune::data {

using test::repeat;
using test::show;

namespace {

std::string json_of(std::string_view text) { return show(parse_yaml(text)); }

}  // namespace

TEST_CASE("yaml: maps and lists", "[data]") {
  CHECK(json_of("a: 1\nb:\n  - x\n  - [2, {c: d}]\n") == R"({"a":1,"b":["x",[2,{"c":"d"}]]})");
  CHECK(json_of("") == "null");
  CHECK(json_of("--- x\n...\n") == "\"x\"");
  CHECK(json_of("1: a\ntrue: b\n") == R"({"1":"a","true":"b"})");
}

TEST_CASE("yaml: plain scalars have the types of the core schema", "[data]") {
  CHECK(json_of("[~, null, Null, true, FALSE]") == "[null,null,null,true,false]");
  CHECK(json_of("[yes, no, on, Off, y, tRUE]") == R"(["yes","no","on","Off","y","tRUE"])");
  CHECK(json_of("[0, -7, +3, 0x1F, 0o17, 1.5, .5, 2., 1e3, -1.5E-2]") ==
        "[0,-7,3,31,15,1.5,0.5,2,1000,-0.015]");
  CHECK(json_of("[0x, 0xg, 1_000, 1.2.3, +-1, '-', e3, 0b1, 12:30, 010]") ==
        R"(["0x","0xg","1_000","1.2.3","+-1","-","e3","0b1","12:30",10])");
  CHECK(json_of("['1', \"true\", !!str 1, !own 2]") == R"(["1","true","1","2"])");
  CHECK(json_of("[!!int '3', !!float 2, !!bool 'true', !!null '']") == "[3,2,true,null]");
  CHECK(json_of(".inf").starts_with("no JSON"));
  CHECK(json_of("-.INF").starts_with("no JSON"));
  CHECK(json_of(".nan").starts_with("no JSON"));
}

TEST_CASE("yaml: what is wrong is told with its line", "[data]") {
  CHECK(json_of("a: 1\nb: [\n").starts_with("error: line 3, column 1: "));
  CHECK(json_of("a: 1\n b: 2\n").starts_with("error: line 2, column "));
  CHECK(json_of("a: !!int x\n") == "error: line 1, column 4: this is no int");
  CHECK(json_of("a: 1e999\n") == "error: line 1, column 4: number out of range");
  CHECK(json_of("a: *nobody\n").starts_with("error: line 1, column "));
  CHECK(json_of("? [a]\n: 1\n") == "error: line 1, column 3: a key that is no text");
  CHECK(json_of("a\n---\nb\n") == "error: line 3, column 1: a second document");
}

TEST_CASE("yaml: aliases are copies, and cannot make a little text large", "[data]") {
  CHECK(json_of("a: &x [1]\nb: *x\n") == R"({"a":[1],"b":[1]})");
  std::string laughs = "a0: &a0 [lol]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" +
              repeat(before + ", ", 9) + before + "]\n";
  }
  CHECK(json_of(laughs) == "error: too large with its aliases expanded");
  CHECK(json_of("a: &x [*x]\n").starts_with("error: "));
}

TEST_CASE("yaml: depth is bounded", "[data]") {
  const std::string deepest = repeat("[", kMaxDepth) + repeat("]", kMaxDepth);
  CHECK(json_of(deepest) == deepest);
  CHECK(json_of("[" + deepest + "]").ends_with("nested too deeply"));
  CHECK(json_of(repeat("[", 100000)).starts_with("error: "));
  CHECK(json_of(repeat("- ", 100000)).starts_with("error: "));
  CHECK(json_of(repeat("{a: ", 100000)).starts_with("error: "));
}

TEST_CASE("yaml: values and keys know their lines", "[data]") {
  const auto parsed = parse_yaml("a: 1\nb:\n  - x\n");
  REQUIRE(parsed);
  const auto& map = std::get<Tree::Map>(parsed->what);
  CHECK(map[1].line == 2);
  CHECK(std::get<Tree::List>(map[1].value.what)[0].line == 3);
}

// The library would read them for ever.
TEST_CASE("yaml: a bracket too many", "[data]") {
  CHECK(!json_of(".,nf, ~, yes]\n\"x2*x\n").empty());
  CHECK(!json_of("F, .inf4 ~, yes]\nb: *x\n").empty());
}

TEST_CASE("yaml: what is no text is an error", "[data]") {
  using namespace std::string_literals;
  for (const auto& text : {"\0,\0\0\0\0\060480"s, "a: \x01"s, "a: \x7F"s, "\xFF\xFE"s, "\xFE\xFF"s, "a\0b"s}) {
    CHECK(json_of(text) == "error: not UTF-8, or with control characters");
  }
  CHECK(json_of("a:\t'\u00e4'\r\n") == "{\"a\":\"\u00e4\"}");
}

}  // namespace perilune::data
