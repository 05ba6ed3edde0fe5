#include "shared/registry.hh"

#include "support/catch.hh"

namespace perilune::shared {

TEST_CASE("registry: one dictionary for one name", "[shared]") {
  Registry registry;
  const auto first = registry.open("a", Options{1000, true});
  REQUIRE(first);
  CHECK(*registry.open("a", Options{1000, true}) == *first);
  CHECK(*registry.open("a", std::nullopt) == *first);
  CHECK(*registry.open("b", std::nullopt) != *first);
  CHECK((*registry.open("b", Options{}))->options() == Options{});
}

TEST_CASE("registry: other options are an error", "[shared]") {
  Registry registry;
  REQUIRE(registry.open("a", Options{1000, true}));
  const std::string message =
      "'a' exists with capacity = 1000 and evict = true; only a restart changes that";
  CHECK(registry.open("a", Options{1001, true}).error().message == message);
  CHECK(registry.open("a", Options{1000, false}).error().message == message);
}

TEST_CASE("registry: names are bounded", "[shared]") {
  Registry registry;
  for (std::size_t i = 0; i < Registry::kMost; ++i) {
    REQUIRE(registry.open(std::to_string(i), std::nullopt));
  }
  CHECK(registry.open("x", std::nullopt).error().message == "too many names");
  CHECK(registry.open("7", std::nullopt));
}

}  // namespace perilune::shared
