#include "util/parse.hh"

#include <cmath>
#include <limits>

#include "support/catch.hh"

using namespace perilune;

TEST_CASE("parse_unsigned: digits up to the maximum and nothing else", "[util]") {
  CHECK(*parse_unsigned("0") == 0);
  CHECK(*parse_unsigned("65535", 65535) == 65535);
  CHECK(*parse_unsigned("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
  for (const char* bad : {"", " 1", "1 ", "-1", "+1", "0x10", "1.0", "18446744073709551616", "a"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_unsigned(bad));
  }
  CHECK(parse_unsigned("65536", 65535).error().message == "65536 is more than 65535");
  CHECK(parse_unsigned("x\n").error().message ==
        "\"x\\n\" is not a whole number that is not negative");
}

TEST_CASE("parse_size: plain numbers and binary units in either case", "[util]") {
  CHECK(*parse_size("0") == 0);
  CHECK(*parse_size("65536") == 65536);
  CHECK(*parse_size("64K") == 64 * 1024);
  CHECK(*parse_size("16m") == 16 * 1024 * 1024);
  CHECK(*parse_size("256M") == 256 * 1024 * 1024);
  CHECK(*parse_size("4G") == std::uint64_t{4} << 30);
  CHECK(*parse_size("16777215T") == std::uint64_t{16777215} << 40);
}

TEST_CASE("parse_size: what is no size is named", "[util]") {
  for (const char* bad : {"", "M", "1.5M", "16 M", "16MB", "-1K", "1e3", "16X", "4G "}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_size(bad));
  }
  CHECK(parse_size("16X").error().message ==
        "\"16X\" is not a size such as 65536, '64K', '16M' or '4G'");
  CHECK(parse_size("16777216T").error().message == "16777216T is too large a size");
}

TEST_CASE("parse_duration: seconds or a number with its unit", "[util]") {
  CHECK(*parse_duration("0") == Millis(0));
  CHECK(*parse_duration("10") == Millis(10'000));
  CHECK(*parse_duration("0.5") == Millis(500));
  CHECK(*parse_duration("500ms") == Millis(500));
  CHECK(*parse_duration("10s") == Millis(10'000));
  CHECK(*parse_duration("1.5S") == Millis(1'500));
  CHECK(*parse_duration("5m") == Millis(300'000));
  CHECK(*parse_duration("2h") == Millis(7'200'000));
}

TEST_CASE("parse_duration: what is no duration is named", "[util]") {
  for (const char* bad : {"", "s", "-1", "1.2.3", "10 s", "10sec", "1e3", "nan", "inf", "0x1p3"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_duration(bad));
  }
  CHECK(parse_duration("1d").error().message ==
        "\"1d\" is not a duration such as 10, '0.5', '500ms', '10s' or '5m'");
  CHECK(parse_duration("300000h").error().message ==
        "a duration must not exceed 1000000000 seconds");
}

TEST_CASE("duration_from_seconds: never rounds a wait to none", "[util]") {
  CHECK(*duration_from_seconds(0) == Millis(0));
  CHECK(*duration_from_seconds(0.25) == Millis(250));
  CHECK(*duration_from_seconds(1e-9) == Millis(1));
  CHECK(*duration_from_seconds(1e9) == Millis(1'000'000'000'000));
  CHECK_FALSE(duration_from_seconds(-0.001));
  CHECK_FALSE(duration_from_seconds(1.1e9));
  CHECK_FALSE(duration_from_seconds(std::numeric_limits<double>::infinity()));
  CHECK_FALSE(duration_from_seconds(std::numeric_limits<double>::quiet_NaN()));
}
