#include "event/mailbox.hh"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "event/ask.hh"
#include "event/loop.hh"
#include "support/catch.hh"
#include "support/run_task.hh"

namespace perilune::event {

namespace {

Task<int> ask_for_square(Home home, Mailbox& there, int number) {
  UniqueFunction<void(Reply<int>)> question{[number](Reply<int> reply) { reply(number * number); }};
  const int answer = co_await ask<int>(home, there, std::move(question));
  co_return answer;
}

}  // namespace

TEST_CASE("mailbox: what several threads post runs in each one's order on the loop", "[event]") {
  constexpr int kThreads = 4;
  constexpr int kEach = 1000;
  Loop loop;
  Mailbox mailbox{loop};
  std::vector<int> last(kThreads, -1);
  int received = 0;
  bool ordered = true;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&mailbox, &last, &received, &ordered, &loop, t] {
      for (int i = 0; i < kEach; ++i) {
        mailbox.post([&last, &received, &ordered, &loop, t, i] {
          ordered = ordered && last[static_cast<std::size_t>(t)] == i - 1;
          last[static_cast<std::size_t>(t)] = i;
          if (++received == kThreads * kEach) loop.stop();
        });
      }
    });
  }
  loop.run();
  for (auto& thread : threads) thread.join();
  CHECK(received == kThreads * kEach);
  CHECK(ordered);
}

TEST_CASE("mailbox: what comes after close() is dropped and its captures destroyed", "[event]") {
  Loop loop;
  Mailbox mailbox{loop};
  const auto token = std::make_shared<int>(1);
  mailbox.post([token] {});
  mailbox.close();
  mailbox.post([token] {});
  CHECK(token.use_count() == 1);
}

TEST_CASE("ask: another thread's answer comes back to the asker's loop", "[event]") {
  Loop there_loop;
  Mailbox there{there_loop};
  std::thread other{[&there_loop] { there_loop.run(); }};
  {
    Loop loop;
    Mailbox mailbox{loop};
    CHECK(test::run_task(loop, ask_for_square(Home{loop, mailbox}, there, 7)) == 49);
  }
  there.post([&there_loop] { there_loop.stop(); });
  other.join();
}

}  // namespace perilune::event
