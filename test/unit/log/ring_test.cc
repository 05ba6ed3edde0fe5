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
    REQUIRE(ring.push(text, i));
    ring.peek(items, {10, 1000});
    REQUIRE(items.size() == 1);
    CHECK(items[0].bytes == text);
    CHECK(items[0].session == i);
    ring.pop(items[0].end);
    CHECK(ring.used() == 0);
  }
}

TEST_CASE("ring: what does not fit is refused and changes nothing", "[log]") {
  Ring ring{64};
  REQUIRE(ring.push("123456789012345678901234", 1));
  REQUIRE(ring.push("123456789012345678901234", 2));
  CHECK_FALSE(ring.push("", 3));
  CHECK_FALSE(ring.can_ever_hold(40));
  std::vector<Ring::Item> items;
  ring.peek(items, {10, 1});
  REQUIRE(items.size() == 1);
  ring.peek(items, {10, 1000});
  REQUIRE(items.size() == 2);
  CHECK(items[1].session == 2);
}

TEST_CASE("ring: one thread writes and another reads", "[log]") {
  constexpr std::uint32_t kCount = 50000;
  Ring ring{4096};
  std::thread writer{[&ring] {
    for (std::uint32_t i = 0; i < kCount;) {
      ring.push(std::to_string(i), i) ? void(++i) : std::this_thread::yield();
    }
  }};
  std::vector<Ring::Item> items;
  std::uint32_t next = 0;
  bool in_order = true;
  while (next < kCount) {
    ring.peek(items, {64, 4096});
    for (const auto& item : items) {
      in_order = in_order && item.session == next && item.bytes == std::to_string(next);
      ++next;
    }
    items.empty() ? std::this_thread::yield() : ring.pop(items.back().end);
  }
  writer.join();
  CHECK(in_order);
}

TEST_CASE("ring: a look may end at a position", "[log]") {
  Ring ring{256};
  REQUIRE(ring.push("one", 1));
  const std::uint64_t position = ring.end();
  REQUIRE(ring.push("two", 2));
  std::vector<Ring::Item> items;
  ring.peek(items, {10, 1000, position});
  REQUIRE(items.size() == 1);
  ring.pop(items[0].end);
  ring.peek(items, {10, 1000, position});
  CHECK(items.empty());
  ring.peek(items, {10, 1000});
  REQUIRE(items.size() == 1);
  CHECK(items[0].bytes == "two");
}
