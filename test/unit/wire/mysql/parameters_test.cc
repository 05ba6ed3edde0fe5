#include "wire/mysql/parameters.hh"

#include "support/catch.hh"
#include "support/hex.hh"

using namespace perilune;
using namespace perilune::wire::mysql;
using perilune::test::from_hex;

namespace {

constexpr const char* kExecute =
    "17 01 00 00 00 00 01 00 00 00"        // command, statement, flags, iterations
    "04 01"                                // the third is NULL; types follow
    "03 00 08 80 fe 00 fd 00 0b 00 0c 00"  // LONG, unsigned LONGLONG, STRING, VARSTRING, TIME,
                                           // DATETIME
    "fe ff ff ff  ff ff ff ff ff ff ff ff"
    "02 68 69"
    "08 01 01 00 00 00 02 03 04"
    "0b ea 07 0b 15 01 02 03 40 e2 01 00";

}  // namespace

TEST_CASE("mysql parameters: what COM_STMT_EXECUTE binds", "[wire][mysql]") {
  std::vector<ParameterType> types;
  const Buffer payload = from_hex(kExecute);
  const auto bound = decode_execute(payload, 6, types, {});
  REQUIRE(bound.rows.size() == 1);
  CHECK_FALSE(bound.cut);
  const std::vector<BoundValue> expected{
      std::int64_t{-2},  std::uint64_t{UINT64_MAX}, std::monostate{},
      std::string("hi"), std::string("-26:03:04"),  std::string("2026-11-21 01:02:03.123456")};
  CHECK(bound.rows[0] == expected);
  CHECK(types.size() == 6);
}

TEST_CASE("mysql parameters: every truncation is cut and harmless", "[wire][mysql]") {
  const Buffer whole = from_hex(kExecute);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::vector<ParameterType> types;
    CHECK(decode_execute(Bytes(whole).first(size), 6, types, {}).cut);
  }
}

TEST_CASE("mysql parameters: types are remembered, long data was sent before", "[wire][mysql]") {
  std::vector<ParameterType> types{0x03, 0xFC};
  const Buffer payload = from_hex("17 01 00 00 00 00 01 00 00 00  00 00  05 00 00 00");
  const auto bound = decode_execute(payload, 2, types, {{1, "long"}});
  CHECK_FALSE(bound.cut);
  CHECK(bound.rows.at(0) == std::vector<BoundValue>{std::int64_t{5}, std::string("long")});
  std::vector<ParameterType> unknown;
  CHECK(decode_execute(payload, 2, unknown, {}).cut);
}

TEST_CASE("mysql parameters: the rows of a bulk", "[wire][mysql]") {
  std::vector<ParameterType> types;
  const Buffer payload =
      from_hex("fa 01 00 00 00 40 00  03 00 fd 00  00 01 00 00 00 00 01 61  01 00 01 62");
  const auto bound = decode_bulk(payload, 2, types);
  CHECK_FALSE(bound.cut);
  REQUIRE(bound.rows.size() == 2);
  CHECK(bound.rows[0] == std::vector<BoundValue>{std::int64_t{1}, std::string("a")});
  CHECK(bound.rows[1] == std::vector<BoundValue>{std::monostate{}, std::string("b")});
  std::vector<ParameterType> again;
  const auto cut = decode_bulk(Bytes(payload).first(payload.size() - 1), 2, again);
  CHECK(cut.cut);
  CHECK(cut.rows.size() == 1);
}
