#include "ctl/text.hh"

#include "support/catch.hh"

using namespace perilune::ctl;

TEST_CASE("ctl text: nothing that moves a cursor is left", "[ctl]") {
  CHECK(printable("anna") == "anna");
  CHECK(printable("a\x1b[2Jb") == "a?[2Jb");
  CHECK(printable("a\nb\tc\rd") == "a b c d");
  CHECK(printable("a\x7f") == "a?");
  CHECK(printable("a\xc2\x9b" "31m") == "a?31m");
  CHECK(printable("b\xc3\xbc" "cher") == "b\xc3\xbc" "cher");
}

TEST_CASE("ctl text: columns are characters, not bytes", "[ctl]") {
  CHECK(width_of("b\xc3\xbc" "cher") == 6);
  CHECK(cut("b\xc3\xbc" "cher", 6) == "b\xc3\xbc" "cher");
  CHECK(cut("b\xc3\xbc" "cher", 3) == "b\xc3\xbc\xe2\x80\xa6");
  CHECK(cut("anna", 1) == "\xe2\x80\xa6");
  CHECK(cut("anna", 0).empty());
}

TEST_CASE("ctl text: counts", "[ctl]") {
  CHECK(short_count(0) == "0");
  CHECK(short_count(9999) == "9999");
  CHECK(short_count(10000) == "10.0k");
  CHECK(short_count(999949) == "999.9k");
  CHECK(short_count(999951) == "1.0M");
  CHECK(short_count(5e15) == "5000.0T");
}

TEST_CASE("ctl text: times", "[ctl]") {
  CHECK(short_time(-1) == "0s");
  CHECK(short_time(59.9) == "59s");
  CHECK(short_time(60) == "1m00s");
  CHECK(short_time(3600) == "1h00m");
  CHECK(short_time(90000) == "1d01h");
}

TEST_CASE("ctl text: members", "[ctl]") {
  const Json json{{"name", "x\x1b"}, {"none", nullptr}, {"n", 5}};
  CHECK(text_of(json, "name") == "x?");
  CHECK(text_of(json, "none") == "-");
  CHECK(text_of(json, "missing") == "-");
  CHECK(text_of(json, "n") == "5");
  CHECK(number_of(json, "n") == 5);
  CHECK(number_of(json, "name") == 0);
}
