#include "pg/array.hh"

#include "support/catch.hh"

namespace perilune::pg {

namespace {

using Texts = std::vector<std::string>;

Texts decoded(std::string_view text) {
  const auto elements = decode_array(text);
  REQUIRE(elements);
  return *elements;
}

std::string error_of(std::string_view text) {
  const auto elements = decode_array(text);
  return elements ? "no error" : elements.error().message;
}

}  // namespace

TEST_CASE("pg array: elements are always quoted", "[pg]") {
  CHECK(encode_array({}) == "{}");
  CHECK(encode_array({"a"}) == R"({"a"})");
  CHECK(encode_array({"a", "", "b,c"}) == R"({"a","","b,c"})");
  CHECK(encode_array({R"(q"q)", R"(b\b)"}) == R"({"q\"q","b\\b"})");
}

TEST_CASE("pg array: what the server writes is read", "[pg]") {
  CHECK(decoded("").empty());
  CHECK(decoded("{}").empty());
  CHECK(decoded("{a}") == Texts{"a"});
  CHECK(decoded("{1,2,NULL}") == Texts{"1", "2", "NULL"});
  CHECK(decoded(R"({"a b","q\"q","b\\b","",c})") == Texts{"a b", R"(q"q)", R"(b\b)", "", "c"});
}

TEST_CASE("pg array: what was encoded is found again", "[pg]") {
  const Texts texts{"", "NULL", "{", "}", ",", "\"", "\\", "\\\"", " a ", "\n"};
  CHECK(decoded(encode_array(texts)) == texts);
}

TEST_CASE("pg array: mistakes are named", "[pg]") {
  CHECK(error_of("a") == "'{' expected");
  CHECK(error_of("{") == "an element is missing");
  CHECK(error_of("{a") == "'}' expected");
  CHECK(error_of("{a,}") == "an element is missing");
  CHECK(error_of("{,a}") == "an element is missing");
  CHECK(error_of("{\"a}") == "'\"' expected");
  CHECK(error_of("{\"a\\") == "'\"' expected");
  CHECK(error_of("{\"a\"b}") == "'}' expected");
  CHECK(error_of("{a}b") == "garbage after '}'");
  CHECK(error_of("{}}") == "garbage after '}'");
  CHECK(error_of("{{1},{2}}") == "nested arrays are not supported");
}

TEST_CASE("pg array: every truncation is a mistake", "[pg]") {
  const std::string whole = encode_array({"a", "b\\\"", "c"});
  for (std::size_t size = 1; size < whole.size(); ++size) {
    CHECK_FALSE(decode_array(std::string_view(whole).substr(0, size)));
  }
}

}  // namespace perilune::pg
