#include "log/throttle.hh"

#include <atomic>
#include <thread>
#include <vector>

#include "support/catch.hh"

using namespace perilune;
using perilune::log::Throttle;

TEST_CASE("throttle: the first passes, then one per period", "[log]") {
  Throttle throttle(Millis(1000));
  const Clock::time_point start{std::chrono::hours(1)};
  CHECK(throttle.admit(start) == 0);
  CHECK_FALSE(throttle.admit(start));
  CHECK_FALSE(throttle.admit(start + Millis(999)));
  CHECK(throttle.admit(start + Millis(1000)) == 2);
  CHECK_FALSE(throttle.admit(start + Millis(1999)));
  CHECK(throttle.admit(start + Millis(5000)) == 1);
  CHECK(throttle.admit(start + Millis(6000)) == 0);
}

TEST_CASE("throttle: a clock that starts at zero passes the first too", "[log]") {
  Throttle throttle(Millis(1000));
  CHECK(throttle.admit(Clock::time_point{}) == 0);
}

TEST_CASE("throttle: of many threads one passes and the rest are counted", "[log]") {
  constexpr int kThreads = 4;
  constexpr int kRounds = 1000;
  Throttle throttle(Millis(1000));
  const Clock::time_point start{std::chrono::hours(1)};
  std::atomic<int> passed{0};
  std::atomic<std::uint64_t> reported{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < kRounds; ++i) {
          const auto missed = throttle.admit(start);
          passed += missed ? 1 : 0;
          reported += missed.value_or(0);
        }
      });
    }
  }
  CHECK(passed == 1);
  reported += throttle.admit(start + Millis(1000)).value_or(0);
  CHECK(reported == kThreads * kRounds - 1);
}
