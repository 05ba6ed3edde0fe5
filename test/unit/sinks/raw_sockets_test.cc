#include <cerrno>

#include "support/catch.hh"
#include "unit/sinks/collector.hh"

using namespace perilune;
using namespace perilune::test;
using Options = log::QueryLogOptions;

namespace {

std::unique_ptr<log::Sink> open(std::string target, std::uint64_t buffer = 1 << 20) {
  Options options = options_for(Options::Where::Socket, std::move(target));
  options.format = Options::Format::Raw;
  options.buffer = buffer;
  return sinks::make_sink(options);
}

}  // namespace

TEST_CASE("raw log: each session has a connection, which ends with it", "[sinks]") {
  const Folder folder;
  const Collector collector{folder / "s", SOCK_STREAM};
  const auto sink = open(folder / "s");
  CHECK(sink->write(Items{}.add("a1", 7).add("b1", 8).add("a2", 7)).done == 3);
  const UniqueFd first = collector.accept();
  const UniqueFd second = collector.accept();
  sink->end_session(7);
  CHECK(receive(first) == "a1a2");
  CHECK(receive(first) == "(the end)");
  CHECK(sink->write(Items{}.add("b2", 8)).done == 1);
  CHECK(receive(second) == "b1b2");
  CHECK(sink->write(Items{}.add("again", 7)).done == 1);
  CHECK(receive(collector.accept()) == "again");
}

TEST_CASE("raw log: what could not be sent at the end is sent then", "[sinks]") {
  const Folder folder;
  const Collector collector{folder / "s", SOCK_STREAM};
  const auto sink = open(folder / "s", 8 << 20);
  const std::string large(4 << 20, 'x');
  CHECK(sink->write(Items{}.add(large, 7)).done == 1);
  sink->end_session(7);
  CHECK_FALSE(sink->flush());
  CHECK(sink->write(Items{}.add("new", 7)).done == 1);
  const UniqueFd old = collector.accept();
  std::string got;
  while (got.size() < large.size()) {
    got += receive(old);
    sink->flush();
  }
  CHECK(got == large);
  CHECK(receive(old) == "(the end)");
  CHECK(receive(collector.accept()) == "new");
}

TEST_CASE("raw log: a session that nobody has listened to yet is kept", "[sinks]") {
  const Folder folder;
  const auto sink = open(folder / "s");
  const auto refused = sink->write(Items{}.add("one ", 7));
  CHECK(refused.done == 1);
  CHECK(refused.lost == 0);
  CHECK(refused.error == ENOENT);
  CHECK_FALSE(sink->flush());
  const Collector collector{folder / "s", SOCK_STREAM};
  ::usleep(1100 * 1000);  // no connection is tried before
  CHECK(sink->flush());
  CHECK(sink->write(Items{}.add("two", 7)).done == 1);
  const UniqueFd socket = collector.accept();
  CHECK(receive(socket) == "one two");
}

TEST_CASE("raw log: a connection that breaks off loses the rest of its session alone", "[sinks]") {
  const Folder folder;
  const Collector collector{folder / "s", SOCK_STREAM};
  const auto sink = open(folder / "s");
  CHECK(sink->write(Items{}.add("a", 7).add("b", 8)).done == 2);
  { const UniqueFd broken = collector.accept(); }
  const UniqueFd other = collector.accept();
  const auto outcome = sink->write(Items{}.add("a", 7).add("b", 8));
  CHECK(outcome.done == 2);
  CHECK(outcome.lost == 1);
  CHECK(outcome.error == EPIPE);
  CHECK(sink->write(Items{}.add("a", 7)).lost == 1);
  CHECK(receive(other) == "bb");
}

TEST_CASE("raw log: what slow readers leave is bounded", "[sinks]") {
  const Folder folder;
  const Collector collector{folder / "s", SOCK_STREAM};
  const auto sink = open(folder / "s", 1 << 20);
  Items items;
  for (int i = 0; i < 64; ++i) items.add(std::string(64 * 1024, 'x'), 7);
  const auto outcome = sink->write(items);
  CHECK(outcome.done < items.size());
  CHECK(outcome.lost == 0);
  CHECK(outcome.error == 0);
}
