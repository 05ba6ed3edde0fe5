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

TEST_CASE("script json: lists stay lists", "[script]") {
  const std::string text = R"([[],[null],[1,null,3],[null,null],{"a":[],"b":{}},[[[]]]])";
  CHECK(told("return json.dump(json.parse('" + text + "'))") == text);
  CHECK(told("return json.dump(json.parse('{\"a\":null,\"b\":[]}'))") == R"({"b":[]})");
  const std::string toml = R"(return json.dump(toml.parse('a = []\nb = [[], {}]')))";
  CHECK(told(toml) == R"({"a":[],"b":[[],{}]})");
  const std::string yaml = R"(return json.dump(yaml.parse('a: []\nb: [null, 1, ~]\nc: {}')))";
  CHECK(told(yaml) == R"({"a":[],"b":[null,1,null],"c":{}})");
}

TEST_CASE("script json: lists from texts are tables like any other", "[script]") {
  const auto after = [](const std::string& text, const std::string& change) {
    return told("local t = json.parse('" + text + "') " + change + " return json.dump(t)");
  };
  CHECK(after("[]", "t[1] = 'x' table.insert(t, 'y')") == R"(["x","y"])");
  CHECK(after("[1,2,3]", "table.remove(t)") == "[1,2]");
  CHECK(after("[1,2,3]", "table.remove(t, 1)") == "[2,3]");
  CHECK(after("[1,2,3]", "t[2] = nil") == "[1,null,3]");
  CHECK(after("[1,2]", "t[1], t[2] = nil, nil") == "[]");
  CHECK(after("[1,null]", "t[3] = 3") == "[1,null,3]");
  CHECK(after("[1]", "t.x = 2") == R"({"1":1,"x":2})");
  CHECK(after("[1]", "t[0] = 2") == R"({"0":2,"1":1})");
  CHECK(after("[1]", "t[1e9] = 2") == R"({"1":1,"1000000000":2})");
  CHECK(after("[]", "setmetatable(t, nil)") == "{}");
  CHECK(after("{}", "t[1] = 1") == "[1]");
  CHECK(told("local n = 0 for _ in pairs(json.parse('[]')) do n = n + 1 end return n") == "0");
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
