#include "event/task.hh"

#include <stdexcept>
#include <string>
#include <vector>

#include "event/first_of.hh"
#include "event/latch.hh"
#include "event/task_group.hh"
#include "event/timer.hh"
#include "support/catch.hh"
#include "support/run_task.hh"
#include "util/scope_exit.hh"

namespace perilune::event {

namespace {

Task<int> forty_two() { co_return 42; }

Task<int> count_to(int n) {
  int sum = 0;
  for (int i = 0; i < n; ++i) {
    const int more = co_await forty_two();
    sum += more / 42;
  }
  co_return sum;
}

Task<> fail(std::string what) {
  throw std::runtime_error(what);
  co_return;
}

Task<> wait_for(Latch& latch, bool& cancelled) {
  ScopeExit note{[&cancelled] { cancelled = true; }};
  co_await latch;
  note.disarm();
}

Task<> note_when(Latch& latch, std::vector<int>& order, int number) {
  co_await latch;
  order.push_back(number);
}

Task<> set_and_note(Latch& latch, std::vector<int>& order) {
  latch.set();
  order.push_back(0);
  co_return;
}

Task<bool> never_in_time(Loop& loop, Latch& latch, bool& cancelled) {
  auto waiting = wait_for(latch, cancelled);
  const bool finished = co_await within(loop, Millis{60}, std::move(waiting));
  co_return finished;
}

Task<bool> first_of(Task<>& task, Latch& latch) {
  const bool finished = co_await FirstOf<void>(task, latch);
  co_return finished;
}

}  // namespace

TEST_CASE("task: a result comes through many immediate awaits without growing the stack",
          "[event]") {
  Loop loop;
  CHECK(test::run_task(loop, count_to(1000000)) == 1000000);
}

TEST_CASE("task: an exception reaches whoever awaits", "[event]") {
  Loop loop;
  CHECK_THROWS_WITH(test::run_task(loop, fail("broken")), "broken");
}

TEST_CASE("task: one that nobody awaits never runs", "[event]") {
  bool cancelled = false;
  Loop loop;
  Latch latch{loop};
  { auto unused = wait_for(latch, cancelled); }
  CHECK_FALSE(cancelled);
}

TEST_CASE("latch: setting it resumes waiters later, not inside set()", "[event]") {
  Loop loop;
  Latch latch{loop};
  std::vector<int> order;
  TaskGroup group{loop};
  group.spawn(note_when(latch, order, 1));
  group.spawn(note_when(latch, order, 2));
  test::run_task(loop, set_and_note(latch, order));
  loop.run_once();
  test::run_task(loop, note_when(latch, order, 3));
  REQUIRE(order.size() == 4);
  CHECK(order.front() == 0);
}

TEST_CASE("latch: may die between set() and the turn that would wake", "[event]") {
  Loop loop;
  std::vector<int> order;
  {
    Latch latch{loop};
    latch.set();
  }
  test::run_task(loop, count_to(1));
  CHECK(order.empty());
}

TEST_CASE("within: a task that takes too long is cancelled where it waits", "[event]") {
  Loop loop;
  Latch latch{loop};
  bool cancelled = false;
  CHECK_FALSE(test::run_task(loop, never_in_time(loop, latch, cancelled)));
  CHECK(cancelled);
}

TEST_CASE("first_of: the latch wins while the task hangs, which may then be destroyed", "[event]") {
  Loop loop;
  Latch stop{loop};
  Latch never{loop};
  bool cancelled = false;
  Task<> task = wait_for(never, cancelled);
  loop.defer([&stop] { stop.set(); });
  CHECK_FALSE(test::run_task(loop, first_of(task, stop)));
  CHECK_FALSE(cancelled);
  task.cancel();
  CHECK(cancelled);
}

TEST_CASE("first_of: a task that is left behind and finishes later resumes nobody", "[event]") {
  Loop loop;
  Latch stop{loop};
  Latch later{loop};
  bool cancelled = false;
  Task<> task = wait_for(later, cancelled);
  loop.defer([&stop] { stop.set(); });
  CHECK_FALSE(test::run_task(loop, first_of(task, stop)));
  later.set();
  test::run_task(loop, count_to(1));
  loop.run_once();
  CHECK(task.done());
  CHECK_FALSE(cancelled);
}

TEST_CASE("task group: destroying it cancels what still waits", "[event]") {
  Loop loop;
  Latch latch{loop};
  bool cancelled = false;
  {
    TaskGroup group{loop};
    group.spawn(wait_for(latch, cancelled));
    CHECK(group.size() == 1);
  }
  CHECK(cancelled);
}

TEST_CASE("sleep: destroyed before its time it never fires", "[event]") {
  Loop loop;
  bool cancelled = false;
  Latch latch{loop};
  Task<> task = [](Loop& l) -> Task<> { co_await Sleep(l, Millis{100000}); }(loop);
  task.start({});
  task.cancel();
  CHECK_FALSE(cancelled);
}

}  // namespace perilune::event
