#include "support/catch.hh"
#include "told.hh"

namespace perilune::script {

using test::caught;
using test::told;

TEST_CASE("script json: parse", "[script]") {
  CHECK(told(R"(local t = json.parse('{"a":[1,2.5,null,"x"],"b":{"c":true}}')
                return t.a[1] .. ' ' .. t.a[2] .. ' ' .. tostring(t.a[3]) .. ' ' .. t.a[4] .. ' '
                  .. tostring(t.b.c))") == "1 2.5 nil x true");
  CHECK(told("return select('#', json.parse('null'))") == "1");
  CHECK(told("local t, why = json.parse('{') return tostring(t) .. ': ' .. why")
            .starts_with("nil: parse error at line 1, column 2: "));
  CHECK(told("return json.parse(12)") == "12");
  CHECK(caught("json.parse({})")
            .ends_with("bad argument #1 to 'parse' (string expected, got table)"));
  CHECK(caught("json.parse()").ends_with("1 argument expected, got 0"));
  CHECK(caught("json.parse('1', 2)").ends_with("1 argument expected, got 2"));
  CHECK(told("return perilune.json == json") == "true");
}

TEST_CASE("script json: dump", "[script]") {
  CHECK(told("return json.dump({1, 2, {true, 'x'}})") == R"([1,2,[true,"x"]])");
  CHECK(told("return json.dump({b = 1, a = {}, c = 1.75, [3] = false})") ==
        R"({"3":false,"a":{},"b":1,"c":1.75})");
  CHECK(told("return json.dump({1, nil, 3})") == R"({"1":1,"3":3})");
  CHECK(told("return json.dump({1, x = 2})") == R"({"1":1,"x":2})");
  CHECK(told("return json.dump({[0.5] = 1})") == R"({"0.5":1})");
  CHECK(told("return json.dump(nil)") == "null");
  CHECK(told("return json.dump(1764000000 + 2 ^ 52)") == "4503601391370496");
  CHECK(told("local x = {1} return json.dump({x, x})") == "[[1],[1]]");
  CHECK(told("return json.dump(setmetatable({}, {__index = {a = 1}}))") == "{}");
}

TEST_CASE("script json: what cannot be dumped", "[script]") {
  const std::string at = "bad argument #1 to 'dump' (";
  CHECK(caught("json.dump({print})").ends_with(at + "a function has no text)"));
  CHECK(caught("json.dump(client)").ends_with(at + "a userdata has no text)"));
  CHECK(caught("json.dump({[true] = 1})").ends_with(at + "a boolean cannot be a key)"));
  CHECK(caught("local t = {} t.a = {t} json.dump(t)").ends_with(at + "a table contains itself)"));
  CHECK(caught("local t = {} for _ = 1, 200 do t = {t} end json.dump(t)")
            .ends_with(at + "nested too deeply)"));
  CHECK(caught("json.dump('\\255')").find("invalid UTF-8") != std::string::npos);
  CHECK(caught("json.dump({1 / 0})").ends_with("JSON has no number that is not finite)"));
  CHECK(caught("json.dump()").ends_with("1 argument expected, got 0"));
  CHECK(caught("json.dump(1, 2)").ends_with("1 argument expected, got 2"));
}

TEST_CASE("script json: the deepest text goes both ways", "[script]") {
  CHECK(told("local s = ('['):rep(200) .. '1' .. (']'):rep(200) return json.dump(json.parse(s)) == "
             "s") == "true");
}

TEST_CASE("script yaml and toml: parse", "[script]") {
  CHECK(told("return json.dump(yaml.parse('a: [1, x]\\nb: {c: true}'))") ==
        R"({"a":[1,"x"],"b":{"c":true}})");
  CHECK(told("return select(2, yaml.parse('a: ['))").starts_with("line 1, column "));
  CHECK(told("return json.dump(toml.parse('a = [1, 2]\\nb = 1979-05-27'))") ==
        R"({"a":[1,2],"b":"1979-05-27"})");
  CHECK(told("return select(2, toml.parse('a ='))").starts_with("line 1, column "));
  CHECK(
      caught("yaml.parse(nil)").ends_with("bad argument #1 to 'parse' (string expected, got nil)"));
}

}  // namespace perilune::script
