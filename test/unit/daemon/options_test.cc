#include "daemon/options.hh"

#include <vector>

#include "support/catch.hh"

using namespace perilune::daemon;

namespace {

std::variant<Options, EarlyExit> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "perilune");
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

Options options_of(const std::vector<const char*>& arguments) {
  const auto result = parse(arguments);
  REQUIRE(std::holds_alternative<Options>(result));
  return std::get<Options>(result);
}

EarlyExit exit_of(const std::vector<const char*>& arguments) {
  const auto result = parse(arguments);
  REQUIRE(std::holds_alternative<EarlyExit>(result));
  return std::get<EarlyExit>(result);
}

}  // namespace

TEST_CASE("options: the defaults", "[daemon]") {
  const Options options = options_of({});
  CHECK(options.config == "/etc/perilune/config.lua");
  CHECK_FALSE(options.check);
  CHECK_FALSE(options.workers);
  CHECK(options.verbosity == 0);
}

TEST_CASE("options: everything at once", "[daemon]") {
  const Options options =
      options_of({"--config", "dir/my config.lua", "--check", "--workers", "3", "-v", "-v"});
  CHECK(options.config == "dir/my config.lua");
  CHECK(options.check);
  CHECK(options.workers == 3u);
  CHECK(options.verbosity == 2);
}

TEST_CASE("options: values may follow an equals sign", "[daemon]") {
  const Options options = options_of({"--config=x.lua", "--workers=256"});
  CHECK(options.config == "x.lua");
  CHECK(options.workers == 256u);
}

TEST_CASE("options: -v and -q count against each other", "[daemon]") {
  CHECK(options_of({"-q"}).verbosity == -1);
  CHECK(options_of({"-qq"}).verbosity == -2);
  CHECK(options_of({"-vvv"}).verbosity == 3);
  CHECK(options_of({"-v", "-q", "-q"}).verbosity == -1);
  CHECK(options_of({"--verbose", "--quiet"}).verbosity == 0);
}

TEST_CASE("options: usage errors exit 64 and say on stderr what is wrong", "[daemon]") {
  const std::vector<std::vector<const char*>> wrong = {
      {"--confg", "x"},   {"--config"},      {"--config="},      {"--workers"},
      {"--workers", "0"}, {"--workers=-1"},  {"--workers=many"}, {"--workers=257"},
      {"--workers=1.5"},  {"--check=maybe"}, {"config.lua"},     {"-x"}};
  for (const auto& arguments : wrong) {
    CAPTURE(arguments.front());
    const EarlyExit result = exit_of(arguments);
    CHECK(result.status == 64);
    CHECK(result.output.empty());
    CHECK_FALSE(result.errors.empty());
    CHECK(result.errors.back() == '\n');
  }
  CHECK(exit_of({"--confg", "x"}).errors.find("--confg") != std::string::npos);
}

TEST_CASE("options: --help names every option on stdout", "[daemon]") {
  for (const char* flag : {"--help", "-h"}) {
    const EarlyExit result = exit_of({flag});
    CHECK(result.status == 0);
    CHECK(result.errors.empty());
    for (const char* option :
         {"--config", "--check", "--workers", "--version", "--help", "-v", "-q", "config.lua"}) {
      CAPTURE(option);
      CHECK(result.output.find(option) != std::string::npos);
    }
  }
}

TEST_CASE("options: --version names ours, LuaJIT's and libuv's", "[daemon]") {
  const EarlyExit result = exit_of({"--version"});
  CHECK(result.status == 0);
  CHECK(result.errors.empty());
  CHECK(result.output == version_line() + "\n");
  CHECK(result.output.rfind("perilune " PERILUNE_VERSION " (LuaJIT 2.", 0) == 0);
  CHECK(result.output.find(", libuv 1.") != std::string::npos);
}
