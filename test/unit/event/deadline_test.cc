#include "event/deadline.hh"

#include <memory>
#include <vector>

#include "event/loop.hh"
#include "support/catch.hh"

namespace perilune::event {

namespace {

void run_until(Loop& loop, const bool& done) {
  for (int turn = 0; turn < 1000 && !done; ++turn) loop.run_once();
}

}  // namespace

TEST_CASE("deadline: fires once after its time, at most a tick late", "[event]") {
  Loop loop;
  Deadline deadline;
  int fired = 0;
  bool done = false;
  const Millis start = loop.now();
  deadline.arm(loop, Millis{120}, [&] {
    ++fired;
    done = true;
  });
  CHECK(deadline.is_armed());
  run_until(loop, done);
  CHECK(fired == 1);
  CHECK_FALSE(deadline.is_armed());
  CHECK(loop.now() - start >= Millis{120});
}

TEST_CASE("deadline: longer than a turn of the wheel", "[event]") {
  Loop loop;
  Deadline near;
  Deadline far;
  bool near_fired = false;
  bool far_fired = false;
  far.arm(loop, Deadlines::kTick * 257, [&] { far_fired = true; });
  near.arm(loop, Deadlines::kTick, [&] { near_fired = true; });
  run_until(loop, near_fired);
  CHECK(near_fired);
  CHECK_FALSE(far_fired);
  CHECK(far.remaining(loop) > Deadlines::kTick * 250);
}

TEST_CASE("deadline: disarmed, destroyed or without a delay it never fires", "[event]") {
  Loop loop;
  bool wrong = false;
  bool done = false;
  Deadline disarmed;
  Deadline none;
  auto destroyed = std::make_unique<Deadline>();
  disarmed.arm(loop, Millis{50}, [&] { wrong = true; });
  destroyed->arm(loop, Millis{50}, [&] { wrong = true; });
  none.arm(loop, Millis{0}, [&] { wrong = true; });
  CHECK_FALSE(none.is_armed());
  disarmed.disarm();
  destroyed.reset();
  Deadline last;
  last.arm(loop, Millis{150}, [&] { done = true; });
  run_until(loop, done);
  CHECK_FALSE(wrong);
}

TEST_CASE("deadline: one that expires may disarm its neighbours and arm itself again", "[event]") {
  Loop loop;
  std::vector<std::unique_ptr<Deadline>> deadlines;
  int fired = 0;
  bool done = false;
  Deadline again;
  for (int i = 0; i < 8; ++i) deadlines.push_back(std::make_unique<Deadline>());
  for (auto& deadline : deadlines) {
    deadline->arm(loop, Millis{60}, [&] {
      ++fired;
      deadlines[0]->disarm();
      for (std::size_t i = 1; i < deadlines.size(); ++i) deadlines[i]->disarm();
      again.arm(loop, Millis{60}, [&] { done = true; });
    });
  }
  run_until(loop, done);
  CHECK(fired == 1);
  CHECK(done);
}

}  // namespace perilune::event
