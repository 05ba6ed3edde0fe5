#include "cluster/judge.hh"

#include "cluster/backoff.hh"
#include "support/catch.hh"

namespace perilune::cluster {

namespace {

using enum NodeState;

Finding finding(NodeState state, bool refused = false) { return {state, {}, refused}; }

}  // namespace

TEST_CASE("judge: the first finding counts", "[cluster]") {
  CHECK(Judge{3, 3}.judge(Unknown, finding(Available), false) == Available);
  CHECK(Judge{3, 3}.judge(Unknown, finding(Down), false) == Down);
}

TEST_CASE("judge: a node falls after `fall` bad probes in a row", "[cluster]") {
  Judge judge{2, 3};
  CHECK(judge.judge(Available, finding(Down), false) == Available);
  CHECK(judge.judge(Available, finding(Down), false) == Available);
  CHECK(judge.judge(Available, finding(Available), false) == Available);
  CHECK(judge.judge(Available, finding(Down), false) == Available);
  CHECK(judge.judge(Available, finding(AuthFailed), false) == Available);
  CHECK(judge.judge(Available, finding(Down), false) == Down);
}

TEST_CASE("judge: a refused connection counts at once", "[cluster]") {
  CHECK(Judge{2, 3}.judge(Available, finding(Down, true), false) == Down);
}

TEST_CASE("judge: a node rises after `rise` good probes in a row", "[cluster]") {
  Judge judge{2, 2};
  judge.judge(Available, finding(Down, true), false);
  CHECK(judge.judge(Down, finding(Available), false) == Down);
  CHECK(judge.judge(Down, finding(Down), false) == Down);
  CHECK(judge.judge(Down, finding(Available), false) == Down);
  CHECK(judge.judge(Down, finding(ReadOnly), false) == ReadOnly);
}

TEST_CASE("judge: what a client has found starts the count again", "[cluster]") {
  Judge judge{2, 2};
  for (int i = 0; i < 5; ++i) judge.judge(Available, finding(Available), false);
  CHECK(judge.judge(Down, finding(Available), false) == Down);
  CHECK(judge.judge(Down, finding(Available), false) == Available);
}

TEST_CASE("judge: with nothing better to wait for one good probe is enough", "[cluster]") {
  CHECK(Judge{5, 2}.judge(Down, finding(Available), true) == Available);
}

TEST_CASE("judge: what a working server says of itself counts at once", "[cluster]") {
  Judge judge{5, 5};
  CHECK(judge.judge(Available, finding(ReadOnly), false) == ReadOnly);
  CHECK(judge.judge(ReadOnly, finding(Available), false) == Available);
  CHECK(judge.judge(Down, finding(AuthFailed), false) == AuthFailed);
}

TEST_CASE("backoff: grows to its limit and ends with a success", "[cluster]") {
  Backoff backoff;
  auto now = Clock::now();
  CHECK(backoff.is_over(now));
  for (Millis expected : {Backoff::kFirst, Backoff::kFirst * 2, Backoff::kFirst * 4}) {
    backoff.fail(now);
    CHECK_FALSE(backoff.is_over(now + expected - Millis{1}));
    now += expected;
    CHECK(backoff.is_over(now));
  }
  for (int i = 0; i < 10; ++i) {
    backoff.fail(now);
    now += Backoff::kLongest;
    CHECK(backoff.is_over(now));
  }
  backoff.succeed();
  backoff.fail(now);
  CHECK(backoff.is_over(now + Backoff::kFirst));
}

TEST_CASE("backoff: what several find at once is one failure", "[cluster]") {
  Backoff backoff;
  const auto now = Clock::now();
  for (int i = 0; i < 5; ++i) backoff.fail(now + Millis{i});
  CHECK(backoff.is_over(now + Backoff::kFirst));
}

TEST_CASE("backoff: one tries again while the others wait", "[cluster]") {
  Backoff backoff;
  auto now = Clock::now();
  backoff.fail(now);
  now += Backoff::kFirst;
  backoff.begin_trial(now);
  CHECK_FALSE(backoff.is_over(now));
  CHECK(backoff.is_over(now + Backoff::kTrial));
  backoff.fail(now + Millis{10});
  CHECK_FALSE(backoff.is_over(now + Backoff::kFirst));
}

}  // namespace perilune::cluster
