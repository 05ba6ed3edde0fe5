#include "daemon/peer_throttle.hh"

#include "support/catch.hh"

namespace perilune::daemon {

namespace {

constexpr Millis kPeriod{60000};

Clock::time_point at(int seconds) { return Clock::time_point{} + std::chrono::seconds{seconds}; }

}  // namespace

TEST_CASE("peer throttle: one a peer and period", "[daemon]") {
  PeerThrottle throttle{kPeriod};
  CHECK(throttle.admit("a", at(0)));
  CHECK_FALSE(throttle.admit("a", at(0)));
  CHECK(throttle.admit("b", at(1)));
  CHECK_FALSE(throttle.admit("a", at(59)));
  CHECK(throttle.admit("a", at(60)));
  CHECK_FALSE(throttle.admit("b", at(60)));
  CHECK(throttle.admit("b", at(61)));
}

TEST_CASE("peer throttle: many peers cost no more than a few", "[daemon]") {
  PeerThrottle throttle{kPeriod, 3};
  CHECK(throttle.admit("a", at(0)));
  CHECK(throttle.admit("b", at(1)));
  CHECK(throttle.admit("c", at(2)));
  CHECK_FALSE(throttle.admit("d", at(3)));
  CHECK(throttle.admit("d", at(61)));  // in the places of a and b
  CHECK(throttle.admit("e", at(61)));
  CHECK_FALSE(throttle.admit("f", at(61)));
}

}  // namespace perilune::daemon
