#include "log/writer.hh"

#include <condition_variable>
#include <string>

#include "support/catch.hh"
#include "util/error.hh"

using namespace perilune;
using namespace perilune::log;

namespace {

// What the sinks of a test have taken, and how they behave.
struct Ground {
  std::mutex mutex;
  std::condition_variable changed;
  std::string written;
  int error = 0;
  int reopened = 0;
  int closed = 0;

  template <typename Predicate>
  bool wait(Predicate predicate) {
    std::unique_lock lock{mutex};
    return changed.wait_for(lock, std::chrono::seconds{20}, predicate);
  }
};

Ground* ground = nullptr;

class FakeSink final : public Sink {
 public:
  ~FakeSink() override {
    const std::lock_guard lock{ground->mutex};
    ++ground->closed;
    ground->changed.notify_all();
  }
  Outcome write(std::span<const Ring::Item> items) override {
    const std::lock_guard lock{ground->mutex};
    ground->changed.notify_all();
    Outcome outcome;
    outcome.error = ground->error;
    if (outcome.error != 0) return outcome;
    for (const auto& item : items) ground->written.append(item.bytes);
    outcome.done = items.size();
    for (const auto& item : items) outcome.bytes += item.bytes.size();
    return outcome;
  }
  void end_session(std::uint32_t session) override {
    const std::lock_guard lock{ground->mutex};
    ground->written.append("|" + std::to_string(session) + "|");
    ground->changed.notify_all();
  }
  void wait_for(std::vector<pollfd>&) const override {}
  int reopen() override {
    const std::lock_guard lock{ground->mutex};
    ++ground->reopened;
    ground->changed.notify_all();
    return 0;
  }
};

std::unique_ptr<Sink> make_fake(const QueryLogOptions& options) {
  if (options.target == "nowhere") throw ConfigError("nowhere");
  return std::make_unique<FakeSink>();
}

struct Stage {
  Stage() { ground = &its_ground; }
  Ground its_ground;
  Output output{-1, LineFormat::Timed, Level::Error};
  Logger logger{output};
  Writer writer{make_fake, logger};

  void set_error(int error) {
    const std::lock_guard lock{its_ground.mutex};
    its_ground.error = error;
  }
  std::shared_ptr<QueryLog> open(const char* target = "a", std::uint64_t buffer = 1024) {
    QueryLogOptions options;
    options.target = target;
    options.buffer = buffer;
    return writer.open(options, 2);
  }
};

bool push(QueryLog& log, std::string_view text, std::size_t worker = 0) {
  return log.producer(worker).push(text, 1);
}

}  // namespace

TEST_CASE("query log writer: equal logs are one, a bad one is refused", "[log]") {
  Stage stage;
  const auto log = stage.open();
  CHECK(stage.open() == log);
  CHECK(stage.open("b") != log);
  CHECK_THROWS_AS(stage.open("nowhere"), ConfigError);
}

TEST_CASE("query log writer: what was pushed is written, at the latest at the end", "[log]") {
  Stage stage;
  const auto log = stage.open();
  CHECK(push(*log, "one "));
  CHECK(stage.its_ground.wait([&] { return stage.its_ground.written == "one "; }));
  CHECK(push(*log, "two ", 1));
  stage.writer.finish(Millis{20000});
  CHECK(stage.its_ground.written == "one two ");
  CHECK(log->counters().written == 2);
  CHECK(log->counters().dropped == 0);
  CHECK(log->counters().high_water > 0);
}

TEST_CASE("query log writer: an error keeps what fits and is got over", "[log]") {
  Stage stage;
  const auto log = stage.open();
  stage.its_ground.error = ENOSPC;
  CHECK(push(*log, "one "));
  CHECK(stage.its_ground.wait([&] { return log->counters().errors > 0; }));
  CHECK(push(*log, "two "));
  {
    const std::lock_guard lock{stage.its_ground.mutex};
    stage.its_ground.error = 0;
  }
  CHECK(stage.its_ground.wait([&] { return stage.its_ground.written == "one two "; }));
}

TEST_CASE("query log writer: at the end nothing is waited for longer than the limit", "[log]") {
  Stage stage;
  const auto log = stage.open();
  stage.its_ground.error = ENOSPC;
  CHECK(push(*log, "one "));
  stage.writer.finish(Millis{50});
  CHECK(log->counters().written == 0);
  CHECK(log->counters().dropped == 1);
}

TEST_CASE("query log writer: tells of room, and reopens", "[log]") {
  Stage stage;
  const auto log = stage.open("a", 64);
  std::atomic<int> told{0};
  log->producer(0).set_room_function([&] {
    ++told;
    const std::lock_guard lock{stage.its_ground.mutex};
    stage.its_ground.changed.notify_all();
  });
  {
    const std::lock_guard lock{stage.its_ground.mutex};
    stage.its_ground.error = EIO;
  }
  while (push(*log, "12345678")) {
  }
  {
    const std::lock_guard lock{stage.its_ground.mutex};
    stage.its_ground.error = 0;
  }
  CHECK(stage.its_ground.wait([&] { return told.load() > 0; }));
  stage.writer.reopen();
  CHECK(stage.its_ground.wait([&] { return stage.its_ground.reopened == 1; }));
  log->producer(0).set_room_function({});
}

TEST_CASE("query log writer: a session's end comes in its place, also when there is no room",
          "[log]") {
  Stage stage;
  const auto log = stage.open("a", 64);
  stage.its_ground.error = EIO;
  CHECK(push(*log, "before "));
  log->producer(0).end_session(1);
  CHECK(push(*log, "between "));
  while (push(*log, ".")) {
  }
  log->producer(0).end_session(2);
  stage.set_error(0);
  CHECK(stage.its_ground.wait([&] { return stage.its_ground.written.ends_with("|2|"); }));
  CHECK(stage.its_ground.written.starts_with("before |1|between ."));
}

TEST_CASE("query log writer: a log that nobody has any more is written and closed", "[log]") {
  Stage stage;
  {
    const auto log = stage.open();
    CHECK(push(*log, "one "));
  }
  CHECK(stage.its_ground.wait([&] { return stage.its_ground.written == "one "; }));
  const auto again = stage.open();
  CHECK(push(*again, "two "));
  CHECK(stage.its_ground.wait([&] { return stage.its_ground.written == "one two "; }));
}

TEST_CASE("query log writer: what a log has counted stays when it is closed", "[log]") {
  Stage stage;
  {
    const auto log = stage.open();
    CHECK(push(*log, "one "));
    log->producer(0).count_dropped(3);
  }
  CHECK(stage.its_ground.wait([&] { return stage.its_ground.closed == 1; }));
  CHECK(stage.writer.logs().empty());
  const auto again = stage.open();
  CHECK(push(*again, "two "));
  CHECK(stage.its_ground.wait([&] { return stage.its_ground.written.ends_with("two "); }));
  stage.writer.finish(Millis{20000});
  const auto totals = stage.writer.totals();
  REQUIRE(totals.size() == 1);
  CHECK(totals.front().target == "a");
  CHECK(totals.front().sums.written == 2);
  CHECK(totals.front().sums.dropped == 3);
  CHECK(totals.front().sums.waiting == 0);
  CHECK(totals.front().sums.high_water > 0);
  CHECK(again->counters().written == 1);
}

TEST_CASE("query log writer: what waits is told", "[log]") {
  Stage stage;
  const auto log = stage.open();
  stage.set_error(EIO);
  CHECK(push(*log, "one "));
  CHECK(push(*log, "two ", 1));
  CHECK(stage.its_ground.wait([&] { return log->counters().errors > 0; }));
  const auto views = stage.writer.logs();
  REQUIRE(views.size() == 1);
  CHECK(views.front().options.target == "a");
  CHECK(views.front().sums.waiting >= 8);
  CHECK(views.front().sums.written == 0);
  CHECK(views.front().sums.errors > 0);
}

TEST_CASE("query log writer: logs of one target are counted together", "[log]") {
  Stage stage;
  const auto text = stage.open();
  const auto larger = stage.open("a", 4096);
  CHECK(text != larger);
  CHECK(push(*text, "one "));
  CHECK(push(*larger, "two "));
  stage.writer.finish(Millis{20000});
  const auto totals = stage.writer.totals();
  REQUIRE(totals.size() == 1);
  CHECK(totals.front().sums.written == 2);
  CHECK(totals.front().sums.bytes == 8);
}
