#include "wire/postgres/statements.hh"

#include "support/catch.hh"
#include "support/hex.hh"
#include "wire/postgres/framing.hh"

using namespace perilune;
using namespace perilune::test;
using namespace perilune::wire::postgres;

namespace {

// Every truncation of a body is malformed.
template <typename Decode>
void check_truncations(const Buffer& body, const Decode& decode) {
  for (std::size_t size = 0; size < body.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(decode(Bytes{body}.first(size)));
  }
  Buffer longer = body;
  longer.push_back(std::byte{0});
  CHECK_FALSE(decode(longer));
}

}  // namespace

TEST_CASE("postgres statements: Query", "[wire][postgres]") {
  Buffer out;
  append_query(out, "select 1");
  const Bytes body = Bytes{out}.subspan(kHeaderSize);
  CHECK(*decode_query(body) == "select 1");
  check_truncations(Buffer(body.begin(), body.end()), decode_query);
}

TEST_CASE("postgres statements: Parse", "[wire][postgres]") {
  const Buffer body = from_hex("7300 73656c00 0002 00000017 00000019");
  const auto parse = decode_parse(body);
  REQUIRE(parse);
  CHECK(parse->name == "s");
  CHECK(parse->text == "sel");
  CHECK(parse->parameters == 2);
  CHECK(parse->types.size() == 8);
  check_truncations(body, decode_parse);
  Buffer out;
  append_parse(out, *parse);
  CHECK(Buffer(out.begin() + kHeaderSize, out.end()) == body);
}

TEST_CASE("postgres statements: Bind", "[wire][postgres]") {
  // portal p, statement s, one text and one binary value and a NULL; the result in binary format
  const Buffer body =
      from_hex("7000 7300 0003 0000 0001 0000 0003 00000001 61 00000002 0102 ffffffff 0001 0001");
  const auto bind = decode_bind(body);
  REQUIRE(bind);
  CHECK(bind->portal == "p");
  CHECK(bind->statement == "s");
  CHECK(bind->parameters == 3);
  CHECK_FALSE(bind->is_binary(0));
  CHECK(bind->is_binary(1));
  CHECK_FALSE(bind->is_binary(2));
  CHECK_FALSE(bind->is_binary(3));
  CHECK(bind->wants_binary(0));
  CHECK(bind->wants_binary(100));
  ParameterReader values{bind->values};
  CHECK(as_text(values.next().bytes) == "a");
  const auto second = values.next();
  CHECK_FALSE(second.is_null);
  CHECK(second.bytes.size() == 2);
  CHECK_FALSE(values.empty());
  CHECK(values.next().is_null);
  CHECK(values.empty());
  CHECK(values.next().is_null);
  check_truncations(body, decode_bind);
}

TEST_CASE("postgres statements: Bind without codes is all texts", "[wire][postgres]") {
  const Buffer body = from_hex("00 00 0000 0001 00000001 61 0000");
  const auto bind = decode_bind(body);
  REQUIRE(bind);
  CHECK_FALSE(bind->is_binary(0));
  CHECK_FALSE(bind->wants_binary(0));
}

TEST_CASE("postgres statements: lying sizes", "[wire][postgres]") {
  CHECK_FALSE(decode_bind(from_hex("00 00 0002 0001 0001 0003 ffffffff ffffffff ffffffff 0000")));
  CHECK_FALSE(decode_bind(from_hex("00 00 0000 ffff 00000001 61 0000")));
  CHECK_FALSE(decode_bind(from_hex("00 00 0000 0001 7fffffff 61 0000")));
  CHECK_FALSE(decode_parse(from_hex("00 00 ffff 00000000")));
  CHECK_FALSE(decode_function_call(from_hex("00000001 0000 0001 fffffffe 0000")));
}

TEST_CASE("postgres statements: Describe, Close and Execute", "[wire][postgres]") {
  Buffer out;
  append_named(out, FrontendTag::Describe, {Target::Portal, "p"});
  CHECK(out == from_hex("44 00000007 50 7000"));
  const auto named = decode_named(from_hex("53 00"));
  REQUIRE(named);
  CHECK(named->target == Target::Statement);
  CHECK(named->name.empty());
  check_truncations(from_hex("50 7000"), decode_named);
  CHECK_FALSE(decode_named(from_hex("51 7000")));

  const Buffer body = from_hex("7000 00000005");
  const auto execute = decode_execute(body);
  REQUIRE(execute);
  CHECK(execute->portal == "p");
  CHECK(execute->max_rows == 5);
  check_truncations(body, decode_execute);
  out.clear();
  append_execute(out, *execute);
  CHECK(out == from_hex("45 0000000a 7000 00000005"));
}

TEST_CASE("postgres statements: FunctionCall", "[wire][postgres]") {
  const Buffer body = from_hex("0000063e 0001 0001 0002 00000001 31 ffffffff 0000");
  const auto call = decode_function_call(body);
  REQUIRE(call);
  CHECK(call->arguments == 2);
  CHECK(describe_function_call(*call) == "FUNCTION CALL 1598");
  ParameterReader values{call->values};
  CHECK(as_text(values.next().bytes) == "1");
  CHECK(values.next().is_null);
  check_truncations(body, decode_function_call);
}
