#include "log/ring.hh"

#include <string>
#include <thread>

#include "support/catch.hh"

using perilune::log::Ring;

TEST_CASE("ring: items come out as they went in, over the end of the memory", "[log]") {
  Ring ring{256};
  std::vector<Ring::Item> items;
  for (unsigned i = 0; i < 1000; ++i) {
    const std::string text(i % 100, static_cast<char>('a' + i % 26));
    REQUIRE(ring.push(text, i, Ring::Kind::Piece));
    ring.peek(items, 10, 1000);
    REQUIRE(items.size() == 1);
    CHECK(items[0].bytes == text);
    CHECK(items[0].session == i);
    CHECK(items[0].kind == Ring::Kind::Piece);
    ring.pop(items[0].end);
    CHECK(ring.used() == 0);
  }
}

TEST_CASE("ring: what does not fit is refused and changes nothing", "[log]") {
  Ring ring{64};
  REQUIRE(ring.push("123456789012345678901234", 1, Ring::Kind::Line));
  REQUIRE(ring.push("123456789012345678901234", 2, Ring::Kind::Line));
  CHECK_FALSE(ring.push("", 3, Ring::Kind::Line));
  CHECK_FALSE(ring.can_ever_hold(40));
  std::vector<Ring::Item> items;
  ring.peek(items, 10, 1);
  REQUIRE(items.size() == 1);
  ring.peek(items, 10, 1000);
  REQUIRE(items.size() == 2);
  CHECK(items[1].session == 2);
}

TEST_CASE("ring: one thread writes and another reads", "[log]") {
  constexpr std::uint32_t kCount = 100000;
  Ring ring{4096};
  std::thread writer{[&ring] {
    for (std::uint32_t i = 0; i < kCount;) {
      if (ring.push(std::to_string(i), i, Ring::Kind::Line)) ++i;
    }
  }};
  std::vector<Ring::Item> items;
  std::uint32_t next = 0;
  bool in_order = true;
  while (next < kCount) {
    ring.peek(items, 64, 4096);
    for (const auto& item : items) {
      in_order = in_order && item.session == next && item.bytes == std::to_string(next);
      ++next;
    }
    if (!items.empty()) ring.pop(items.back().end);
  }
  writer.join();
  CHECK(in_order);
}
