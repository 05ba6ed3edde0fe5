#include "wire/postgres/parameters.hh"

#include <string>
#include <variant>

#include "support/catch.hh"
#include "support/hex.hh"
#include "wire/builder.hh"

using namespace perilune;
using namespace perilune::test;
using namespace perilune::wire::postgres;

namespace {

constexpr std::uint32_t kBool = 16, kInt8 = 20, kInt2 = 21, kInt4 = 23, kOid = 26, kFloat4 = 700,
                        kFloat8 = 701, kVarchar = 1043, kDate = 1082, kTime = 1083,
                        kTimestamp = 1114, kTimestamptz = 1184, kNumeric = 1700, kUuid = 2950,
                        kJsonb = 3802, kByteA = 17;

BoundValue binary(std::uint32_t type, std::string_view hex) {
  const Buffer value = from_hex(hex);
  Buffer rest;
  wire::Builder{rest}.be16(1).be16(1).be16(1).be32(static_cast<std::uint32_t>(value.size()));
  append(rest, value);
  const BoundParameters bound = decode_bound(rest, {&type, 1});
  REQUIRE(bound.values.size() == 1);
  CHECK_FALSE(bound.cut);
  return bound.values.front();
}

std::string text(std::uint32_t type, std::string_view hex) {
  const BoundValue value = binary(type, hex);
  const auto* const found = std::get_if<std::string>(&value);
  return found != nullptr ? *found : "(no text)";
}

}  // namespace

TEST_CASE("parameters: numbers in binary format", "[wire][postgres]") {
  CHECK(binary(kInt2, "ff fe") == BoundValue{std::int64_t{-2}});
  CHECK(binary(kInt4, "80 00 00 00") == BoundValue{std::int64_t{-2147483648}});
  CHECK(binary(kInt8, "00 00 00 01 00 00 00 00") == BoundValue{std::int64_t{4294967296}});
  CHECK(binary(kOid, "ff ff ff ff") == BoundValue{std::int64_t{4294967295}});
  CHECK(binary(kFloat4, "3f c0 00 00") == BoundValue{1.5});
  CHECK(binary(kFloat8, "c0 04 00 00 00 00 00 00") == BoundValue{-2.5});
  CHECK(text(kBool, "01") == "t");
  CHECK(text(kBool, "00") == "f");
  CHECK(text(kNumeric, "00 02 00 00 00 00 00 02 00 0c 0d 7a") == "12.34");
  CHECK(text(kNumeric, "00 02 00 01 40 00 00 00 00 01 00 05") == "-10005");
  CHECK(text(kNumeric, "00 01 ff ff 00 00 00 04 00 05") == "0.0005");
  CHECK(text(kNumeric, "00 01 ff fe 00 00 00 08 00 05") == "0.00000005");
  CHECK(text(kNumeric, "00 00 00 00 00 00 00 00") == "0");
  CHECK(text(kNumeric, "00 00 00 00 c0 00 00 00") == "NaN");
}

TEST_CASE("parameters: dates and times in binary format", "[wire][postgres]") {
  CHECK(text(kDate, "00 00 00 00") == "2000-01-01");
  CHECK(text(kDate, "ff ff ff ff") == "1999-12-31");
  CHECK(text(kDate, "7f ff ff ff") == "infinity");
  CHECK(text(kDate, "7f ff ff fe") == "\\x7ffffffe");
  CHECK(text(kTime, "00 00 00 00 00 0f 42 40") == "00:00:01");
  CHECK(text(kTimestamp, "00 00 00 00 00 00 00 01") == "2000-01-01 00:00:00.000001");
  CHECK(text(kTimestamp, "ff ff ff ff ff ff ff ff") == "1999-12-31 23:59:59.999999");
  CHECK(text(kTimestamptz, "00 00 00 00 00 00 00 00") == "2000-01-01 00:00:00+00");
  CHECK(text(kTimestamp, "80 00 00 00 00 00 00 00") == "-infinity");
}

TEST_CASE("parameters: texts and the unknown", "[wire][postgres]") {
  CHECK(text(kVarchar, "61 62") == "ab");
  CHECK(text(kJsonb, "01 7b 7d") == "{}");
  CHECK(text(kJsonb, "02 7b 7d") == "\\x027b7d");
  CHECK(text(kUuid, "00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff") ==
        "00112233-4455-6677-8899-aabbccddeeff");
  CHECK(text(kByteA, "00 ff") == "\\x00ff");
  CHECK(text(0, "00 ff") == "\\x00ff");
  CHECK(text(kInt4, "00 ff") == "\\x00ff");
  CHECK(text(kUuid, "00") == "\\x00");
  CHECK(text(kNumeric, "00 05 00 00 00 00 00 00") == "\\x0005000000000000");
  CHECK(text(kNumeric, "00 00 7f ff 00 00 7f ff") == "\\x00007fff00007fff");
}

TEST_CASE("parameters: texts are texts, NULL is nothing, codes may be fewer", "[wire][postgres]") {
  const std::uint32_t types[] = {kInt4, kInt4};
  Buffer rest;
  wire::Builder{rest}.be16(0).be16(2).be32(2).bytes(as_bytes("42")).be32(0xFFFFFFFF);
  const BoundParameters bound = decode_bound(rest, types);
  REQUIRE(bound.values.size() == 2);
  CHECK(bound.values[0] == BoundValue{std::string("42")});
  CHECK(bound.values[1] == BoundValue{});

  for (std::size_t size = 0; size + 1 < rest.size(); ++size) {
    const BoundParameters cut = decode_bound(Bytes{rest}.first(size), types);
    CHECK(cut.cut);
    CHECK(cut.values.size() <= 2);
  }
  Buffer wrong;
  wire::Builder{wrong}.be16(3).be16(1).be16(1).be16(1).be16(1).be32(0);
  CHECK(decode_bound(wrong, types).cut);
}

TEST_CASE("parameters: a Bind's names", "[wire][postgres]") {
  const auto names = decode_bind_names(as_bytes(std::string_view("p\0s\0rest", 8)));
  REQUIRE(names);
  CHECK(names->portal == "p");
  CHECK(names->statement == "s");
  CHECK(as_text(names->rest) == "rest");
  CHECK_FALSE(decode_bind_names(as_bytes(std::string_view("p\0s", 3))));
}
