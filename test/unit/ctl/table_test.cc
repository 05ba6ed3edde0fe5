#include "ctl/table.hh"

#include "ctl/text.hh"
#include "support/catch.hh"

using namespace perilune::ctl;
using Lines = std::vector<std::string>;

namespace {

Table make_table() {
  Table table{{{"ID", true}, {"NAME"}, {"STATE"}}};
  table.add({"7", "anna", "available"});
  table.add({"1234", "a very long name indeed", "down"});
  return table;
}

}  // namespace

TEST_CASE("ctl table: as wide as it is", "[ctl]") {
  CHECK(make_table().lines(0) == Lines{"  ID  NAME                     STATE",
                                       "   7  anna                     available",
                                       "1234  a very long name indeed  down"});
}

TEST_CASE("ctl table: it fits the terminal", "[ctl]") {
  for (std::size_t width = 1; width < 60; ++width) {
    CAPTURE(width);
    for (const std::string& line : make_table().lines(width)) CHECK(width_of(line) <= width);
  }
}

TEST_CASE("ctl table: the widest text gives way, numbers never", "[ctl]") {
  const Lines lines = make_table().lines(30);
  CHECK(lines[1] == "   7  anna           available");
  CHECK(lines[2].substr(0, 6) == "1234  ");
  CHECK(lines[2].ends_with("down"));
}

TEST_CASE("ctl table: without rows there are its titles", "[ctl]") {
  CHECK(Table{{{"A"}, {"B", true}}}.lines(0) == Lines{"A  B"});
}
