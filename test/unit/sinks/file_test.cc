#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <csignal>

#include "support/catch.hh"
#include "unit/sinks/collector.hh"
#include "util/error.hh"

using namespace perilune;
using namespace perilune::test;
using Where = log::QueryLogOptions::Where;

namespace {

std::unique_ptr<log::Sink> open(const std::string& path) {
  return sinks::make_sink(options_for(Where::File, path));
}

// Files of this process cannot become longer meanwhile.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) {
    before_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &limit_);
    const rlimit lower{bytes, limit_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &lower) == 0);
  }
  ~FileLimit() {
    ::setrlimit(RLIMIT_FSIZE, &limit_);
    std::signal(SIGXFSZ, before_);
  }

 private:
  rlimit limit_{};
  sighandler_t before_;
};

}  // namespace

TEST_CASE("log file: what is there stays, with the mode that was asked for", "[sinks]") {
  const Folder folder;
  const std::string path = folder / "log";
  auto options = options_for(Where::File, path);
  options.mode = 0604;
  sinks::make_sink(options)->write(Items{}.add("one\n"));
  const auto outcome = sinks::make_sink(options)->write(Items{}.add("two\n").add("three\n"));
  CHECK(outcome.done == 2);
  CHECK(outcome.bytes == 10);
  CHECK(contents(path) == "one\ntwo\nthree\n");
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0604);
}

TEST_CASE("log file: one that cannot be opened fails the load", "[sinks]") {
  const Folder folder;
  CHECK_THROWS_AS(open(folder / "no/such/folder"), ConfigError);
}

TEST_CASE("log file: reopening goes to the new file, or stays where it is", "[sinks]") {
  const Folder folder;
  const auto sink = open(folder / "log");
  sink->write(Items{}.add("one\n"));
  std::filesystem::rename(folder / "log", folder / "old");
  sink->write(Items{}.add("two\n"));
  CHECK(sink->reopen() == 0);
  sink->write(Items{}.add("three\n"));
  CHECK(contents(folder / "old") == "one\ntwo\n");
  CHECK(contents(folder / "log") == "three\n");
  std::filesystem::remove(folder / "log");
  std::filesystem::create_directory(folder / "log");
  CHECK(sink->reopen() == EISDIR);
  CHECK(sink->write(Items{}.add("four\n")).done == 1);
}

TEST_CASE("log file: a full disk takes a part, and the rest later", "[sinks]") {
  const Folder folder;
  const auto sink = open(folder / "log");
  const Items items = std::move(Items{}.add("first\n").add("second\n"));
  {
    const FileLimit limit{9};
    const auto outcome = sink->write(items);
    CHECK(outcome.done == 1);
    CHECK(outcome.error == EFBIG);
    CHECK(sink->write(items.from(1)).done == 0);
  }
  const auto outcome = sink->write(items.from(1));
  CHECK(outcome.done == 1);
  CHECK(outcome.error == 0);
  CHECK(contents(folder / "log") == "first\nsecond\n");
}

TEST_CASE("log file: a line that was begun begins again in another file", "[sinks]") {
  const Folder folder;
  const auto sink = open(folder / "log");
  const Items items = std::move(Items{}.add("a whole line\n"));
  {
    const FileLimit limit{4};
    CHECK(sink->write(items).done == 0);
  }
  std::filesystem::rename(folder / "log", folder / "old");
  CHECK(sink->reopen() == 0);
  CHECK(sink->write(items).done == 1);
  CHECK(contents(folder / "old") == "a wh");
  CHECK(contents(folder / "log") == "a whole line\n");
}

TEST_CASE("log file: the device that is always full", "[sinks]") {
  const auto outcome = open("/dev/full")->write(Items{}.add("x\n"));
  CHECK(outcome.done == 0);
  CHECK(outcome.error == ENOSPC);
}

TEST_CASE("log file: a pipe that nobody empties is busy, which is no error", "[sinks]") {
  const Folder folder;
  const std::string path = folder / "pipe";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  const UniqueFd reader{::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
  const auto sink = open(path);
  const Items items = std::move(Items{}.add(std::string(1 << 20, 'x')));
  const auto outcome = sink->write(items);
  CHECK(outcome.done == 0);
  CHECK(outcome.error == 0);
  CHECK(outcome.bytes > 0);
  std::vector<pollfd> polled;
  sink->wait_for(polled);
  REQUIRE(polled.size() == 1);
  CHECK(::poll(polled.data(), 1, 0) == 0);
  std::string taken;
  std::array<char, 65536> bytes;
  for (log::Sink::Outcome more = outcome; taken.size() < (1U << 20);) {
    const ssize_t size = ::read(reader.value(), bytes.data(), bytes.size());
    if (size > 0) taken.append(bytes.data(), static_cast<std::size_t>(size));
    if (more.done == 0) more = sink->write(items);
  }
  CHECK(taken == std::string(1 << 20, 'x'));
}
