#include "wire/cursor.hh"

#include "support/catch.hh"
#include "support/hex.hh"
#include "wire/builder.hh"

using namespace perilune;
using perilune::test::from_hex;
using wire::Builder;
using wire::Cursor;

TEST_CASE("cursor: integers are little-endian", "[wire]") {
  const Buffer bytes = from_hex("01 0201 030201 04030201 0807060504030201");
  Cursor in{bytes};
  CHECK(in.u8() == 0x01);
  CHECK(in.u16() == 0x0102);
  CHECK(in.u24() == 0x010203);
  CHECK(in.u32() == 0x01020304);
  CHECK(in.u64() == 0x0102030405060708);
  CHECK(in.finish(0));
}

TEST_CASE("cursor: integers in network byte order, there and back", "[wire]") {
  Buffer bytes;
  Builder{bytes}.be16(0x0102).be32(0xF1020304);
  CHECK(bytes == from_hex("0102 f1020304"));
  Cursor in{bytes};
  CHECK(in.be16() == 0x0102);
  CHECK(in.be32() == 0xF1020304);
  CHECK(in.be16() == 0);
  CHECK_FALSE(in.finish(0));
}

TEST_CASE("cursor: length-encoded integers", "[wire]") {
  const Buffer bytes = from_hex("fa fc fb00 fd 000001 fe 0000000001000000");
  Cursor in{bytes};
  CHECK(in.lenenc() == 250);
  CHECK(in.lenenc() == 251);
  CHECK(in.lenenc() == 0x10000);
  CHECK(in.lenenc() == 0x100000000);
  CHECK(in.finish(0));
}

TEST_CASE("cursor: NULL and the error header are no length", "[wire]") {
  for (const char* hex : {"fb", "ff"}) {
    const Buffer bytes = from_hex(hex);
    Cursor in{bytes};
    CHECK(in.lenenc() == 0);
    CHECK_FALSE(in.finish(0));
  }
}

TEST_CASE("cursor: texts", "[wire]") {
  const Buffer bytes = from_hex("6162 00 02 6364 6566 00 6768");
  Cursor in{bytes};
  CHECK(in.text_until_nul() == "ab");
  CHECK(in.lenenc_text() == "cd");
  CHECK(in.text_until_nul_or_end() == "ef");
  CHECK(in.text_until_nul_or_end() == "gh");
  CHECK(in.finish(0));
}

TEST_CASE("cursor: the first failure sticks and later reads give nothing", "[wire]") {
  const Buffer bytes = from_hex("01 02 03");
  Cursor in{bytes};
  CHECK(in.u32() == 0);
  CHECK(in.u8() == 0);
  CHECK(in.rest().empty());
  in.require(false, "something later");
  const auto result = in.finish(1);
  REQUIRE_FALSE(result);
  CHECK(std::string{result.error().what} == "too short");
}

TEST_CASE("cursor: a length beyond the end is malformed", "[wire]") {
  for (const char* hex : {"05 61", "fe ffffffffffffffff 61", "fc ffff"}) {
    const Buffer bytes = from_hex(hex);
    Cursor in{bytes};
    CHECK(in.lenenc_bytes().empty());
    CHECK_FALSE(in.finish(0));
  }
}

TEST_CASE("cursor: bytes left over and a missing NUL are malformed", "[wire]") {
  const Buffer bytes = from_hex("61 62");
  Cursor in{bytes};
  in.u8();
  CHECK_FALSE(in.finish(0));
  Cursor text{bytes};
  CHECK(text.text_until_nul().empty());
  CHECK_FALSE(text.finish(0));
}

TEST_CASE("builder: what it writes a cursor reads", "[wire]") {
  Buffer out;
  Builder{out}.u8(1).u16(2).u24(3).u32(4).u64(5).zeros(2).text_with_nul("name").lenenc_text("x");
  Cursor in{out};
  CHECK(in.u8() == 1);
  CHECK(in.u16() == 2);
  CHECK(in.u24() == 3);
  CHECK(in.u32() == 4);
  CHECK(in.u64() == 5);
  CHECK(in.u16() == 0);
  CHECK(in.text_until_nul() == "name");
  CHECK(in.lenenc_text() == "x");
  CHECK(in.finish(0));
}

TEST_CASE("builder: length-encoded integers take the shortest form", "[wire]") {
  using Case = std::pair<std::uint64_t, std::size_t>;
  const auto [value, size] =
      GENERATE(Case{0, 1}, Case{250, 1}, Case{251, 3}, Case{0xFFFF, 3}, Case{0x10000, 4},
               Case{0xFFFFFF, 4}, Case{0x1000000, 9}, Case{std::uint64_t{1} << 63, 9});
  Buffer out;
  Builder{out}.lenenc(value);
  CHECK(out.size() == size);
  Cursor in{out};
  CHECK(in.lenenc() == value);
}

TEST_CASE("builder: a NUL inside a text cannot forge a field", "[wire]") {
  Buffer out;
  using namespace std::string_view_literals;
  Builder{out}.text_with_nul("a\0b"sv);
  CHECK(out == from_hex("61 00"));
}
