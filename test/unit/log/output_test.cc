#include "log/output.hh"

#include <fcntl.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "capture.hh"
#include "log/logger.hh"
#include "support/catch.hh"

using namespace perilune;
using namespace perilune::log;
using perilune::test::Capture;

namespace {

// Sets JOURNAL_STREAM for one test.
class JournalStream {
 public:
  explicit JournalStream(const std::string& value) { setenv("JOURNAL_STREAM", value.c_str(), 1); }
  JournalStream(const JournalStream&) = delete;
  JournalStream& operator=(const JournalStream&) = delete;
  ~JournalStream() { unsetenv("JOURNAL_STREAM"); }
};

std::string device_and_inode(int fd) {
  struct stat status {};
  REQUIRE(fstat(fd, &status) == 0);
  return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

}  // namespace

TEST_CASE("level: -v shows more, -q less, neither beyond the ends", "[log]") {
  CHECK(threshold_for(0) == Level::Info);
  CHECK(threshold_for(1) == Level::Debug);
  CHECK(threshold_for(9) == Level::Debug);
  CHECK(threshold_for(-1) == Level::Notice);
  CHECK(threshold_for(-2) == Level::Warning);
  CHECK(threshold_for(-3) == Level::Error);
  CHECK(threshold_for(-9) == Level::Error);
}

TEST_CASE("level: names", "[log]") {
  CHECK(level_name(Level::Error) == "error");
  CHECK(level_name(Level::Warning) == "warning");
  CHECK(level_name(Level::Notice) == "notice");
  CHECK(level_name(Level::Info) == "info");
  CHECK(level_name(Level::Debug) == "debug");
}

TEST_CASE("detect_format: the journal only when it is this very stream", "[log]") {
  Capture capture;
  Capture other;
  unsetenv("JOURNAL_STREAM");
  CHECK(detect_format(capture.fd()) == LineFormat::Timed);
  {
    const JournalStream stream(device_and_inode(capture.fd()));
    CHECK(detect_format(capture.fd()) == LineFormat::Journal);
    CHECK(detect_format(other.fd()) == LineFormat::Timed);
    CHECK(detect_format(-1) == LineFormat::Timed);
  }
  for (const char* bad : {"", ":", "1", "1:", "x:y", "1:2:3", "-1:5"}) {
    CAPTURE(bad);
    const JournalStream stream(bad);
    CHECK(detect_format(capture.fd()) == LineFormat::Timed);
  }
}

TEST_CASE("output: a full disk loses lines and nothing else", "[log]") {
  const UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  REQUIRE(full);
  Output output(full.value(), LineFormat::Journal, Level::Info);
  Logger(output).info("a");
  Logger(output).text(Level::Info, "print", "b");
  CHECK(output.lost() == 2);
}

TEST_CASE("output: a closed descriptor loses lines and nothing else", "[log]") {
  Output output(-1, LineFormat::Journal, Level::Info);
  Logger(output).info("a");
  CHECK(output.lost() == 1);
}

TEST_CASE("output: a reader that is gone loses lines and nothing else", "[log]") {
  std::signal(SIGPIPE, SIG_IGN);
  Capture capture;
  capture.close_reader();
  Output output(capture.fd(), LineFormat::Journal, Level::Info);
  Logger(output).info("a");
  CHECK(output.lost() == 1);
}

TEST_CASE("output: a full pipe that does not block loses lines instead of waiting", "[log]") {
  Capture capture;
  REQUIRE(fcntl(capture.fd(), F_SETFL, O_NONBLOCK) == 0);
  Output output(capture.fd(), LineFormat::Journal, Level::Info);
  const std::string line(4095, 'x');
  while (output.lost() == 0) output.write(line + "\n");
  const std::string text = capture.finish();
  CHECK(text.size() % 4096 == 0);
}
