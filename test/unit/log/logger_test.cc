#include "log/logger.hh"

#include <algorithm>
#include <limits>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "capture.hh"
#include "support/catch.hh"

using namespace perilune;
using namespace perilune::log;
using perilune::test::Capture;

namespace {

// What `write` logs, as the journal gets it.
template <typename Write>
std::string journal_of(Level threshold, Write write) {
  Capture capture;
  Output output(capture.fd(), LineFormat::Journal, threshold);
  write(Logger(output));
  CHECK(output.lost() == 0);
  return capture.finish();
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

TEST_CASE("logger: an event, the session's name, fields", "[log]") {
  const std::string text = journal_of(Level::Info, [](const Logger& logger) {
    logger.with("17 anna").info("login", field("user", "anna"), field("database", "shop"));
    logger.error("no_config");
  });
  CHECK(text == "<6>[17 anna] login user=\"anna\" database=\"shop\"\n<3>no_config\n");
}

TEST_CASE("logger: without the journal a line has the time and the level", "[log]") {
  Capture capture;
  Output output(capture.fd(), LineFormat::Timed, Level::Info);
  Logger(output, "17").warning("slow", field("seconds", 1.5));
  std::string shape = capture.finish();
  REQUIRE(shape.size() > 23);
  std::replace_if(shape.begin(), shape.begin() + 23, is_digit, '9');
  CHECK(shape == "9999-99-99 99:99:99.999 warning [17] slow seconds=1.5\n");
}

TEST_CASE("logger: every kind of value", "[log]") {
  const std::string text = journal_of(Level::Info, [](const Logger& logger) {
    const std::string owned = "s";
    logger.info("values", field("a", -1), field("b", std::numeric_limits<std::uint64_t>::max()),
                field("c", true), field("d", owned), field("e", std::string_view()),
                field("f", std::uint16_t{3306}), field("g", 0.25));
  });
  CHECK(text == "<6>values a=-1 b=18446744073709551615 c=true d=\"s\" e=\"\" f=3306 g=0.25\n");
}

TEST_CASE("logger: what clients send cannot forge a line", "[log]") {
  const std::string text = journal_of(Level::Info, [](const Logger& logger) {
    logger.with("1]\n<3>").info("login", field("user", "x\n<3>forged user=\"root\""));
  });
  CHECK(text == "<6>[1]\\n<3>] login user=\"x\\n<3>forged user=\\\"root\\\"\"\n");
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
}

TEST_CASE("logger: a line is bounded whatever a field holds", "[log]") {
  const std::string text = journal_of(Level::Info, [](const Logger& logger) {
    logger.info("login", field("user", std::string(10'000'000, '\xff')));
  });
  CHECK(text.size() < 5000);
  CHECK(text.ends_with("...(10000000 bytes)\n"));
}

TEST_CASE("logger: below the threshold nothing is written", "[log]") {
  const std::string text = journal_of(Level::Warning, [](const Logger& logger) {
    CHECK(logger.shows(Level::Warning));
    CHECK_FALSE(logger.shows(Level::Notice));
    logger.debug("d");
    logger.info("i");
    logger.notice("n");
    logger.text(Level::Info, "print", "i");
    logger.warning("w");
    logger.error("e");
  });
  CHECK(text == "<4>w\n<3>e\n");
}

TEST_CASE("logger: the threshold can move while loggers exist", "[log]") {
  Capture capture;
  Output output(capture.fd(), LineFormat::Journal, Level::Error);
  const Logger logger(output);
  logger.debug("before");
  output.show_up_to(Level::Debug);
  logger.debug("after");
  CHECK(capture.finish() == "<7>after\n");
}

TEST_CASE("logger: free text keeps its lines, each with the prefix", "[log]") {
  const std::string text = journal_of(Level::Info, [](const Logger& logger) {
    const Logger session = logger.with("17");
    session.text(Level::Info, "print", "one\ntwo\t\"2\"\x1b\n");
    session.text(Level::Info, "print", "");
    session.text(Level::Error, "lua", "\n<0>x");
  });
  CHECK(text ==
        "<6>[17] print: one\n<6>[17] print: two\\t\"2\"\\x1b\n"
        "<6>[17] print: \n"
        "<3>[17] lua: \n<3>[17] lua: <0>x\n");
}

TEST_CASE("logger: free text is cut at 64 KiB and says so", "[log]") {
  Capture capture;
  // One record may fill the pipe, so the end is read while it is written.
  std::string text;
  {
    Output output(capture.fd(), LineFormat::Journal, Level::Info);
    std::jthread writer([&output] {
      Logger(output).text(Level::Info, "print", std::string(100'000, 'x'));
      Logger(output).info("end");
    });
    char c = 0;
    while (!text.ends_with("<6>end\n") && read(capture.reader(), &c, 1) == 1) text.push_back(c);
  }
  CHECK(text ==
        "<6>print: " + std::string(65'536, 'x') + "\n<6>print: ...(100000 bytes)\n<6>end\n");
}

TEST_CASE("logger: lines of several threads do not mix", "[log]") {
  constexpr int kThreads = 4;
  constexpr int kLines = 100;
  Capture capture;
  Output output(capture.fd(), LineFormat::Journal, Level::Info);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&output, t] {
        const std::string name(20, static_cast<char>('a' + t));
        for (int i = 0; i < kLines; ++i) Logger(output, name).info("line", field("of", name));
      });
    }
  }
  std::istringstream lines(capture.finish());
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    REQUIRE(line.size() > 4);
    const std::string name(20, line[4]);
    REQUIRE(line == "<6>[" + name + "] line of=\"" + name + "\"");
  }
  CHECK(count == kThreads * kLines);
}
