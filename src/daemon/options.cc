#include "daemon/options.hh"

#include <luajit.h>
#include <uv.h>

#include <CLI/CLI.hpp>
#include <sstream>

#ifndef PERILUNE_VERSION
#error "the build defines PERILUNE_VERSION as a string, the project's version"
#endif

namespace perilune::daemon {

namespace {

// CLI11 prints help and version to the first stream, what is wrong to the second.
EarlyExit early_exit(const CLI::App& app, const CLI::ParseError& reason) {
  std::ostringstream output;
  std::ostringstream errors;
  const bool is_answer = app.exit(reason, output, errors) == 0;
  return {is_answer ? 0 : kExitUsage, output.str(), errors.str()};
}

// The options as CLI11 fills them.
struct CommandLine {
  Options options;
  unsigned workers = 0;
  std::int64_t more = 0;
  std::int64_t less = 0;
};

void describe(CLI::App& app, CommandLine& line) {
  app.set_version_flag("--version", version_line(), "Print the version and exit");
  app.add_option("--config", line.options.config, "The script that configures the daemon, or a file of apps")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_flag("--check", line.options.check, "Load the script, report what it declares, exit");
  app.add_option("--workers", line.workers, "Number of worker threads, whatever the script says")
      ->type_name("N")
      ->check(CLI::Range(1u, kMaxWorkers));
  app.add_flag("-v,--verbose", line.more, "Log more; may be repeated");
  app.add_flag("-q,--quiet", line.less, "Log less; may be repeated");
}

Options finish(const CLI::App& app, const CommandLine& line) {
  Options options = line.options;
  if (app.count("--workers") > 0) options.workers = line.workers;
  options.verbosity = static_cast<int>(line.more - line.less);
  return options;
}

}  // namespace

std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv) {
  CLI::App app("A database proxy that Lua scripts program", "perilune");
  app.set_help_flag("-h,--help", "Print this text and exit");
  CommandLine line;
  describe(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& reason) {
    return early_exit(app, reason);
  }
  if (line.options.config.empty()) {
    return EarlyExit{kExitUsage, {}, "--config: the name of the file is empty\n"};
  }
  return finish(app, line);
}

std::string version_line() {
  return std::string("perilune " PERILUNE_VERSION " (" LUAJIT_VERSION ", libuv ") +
         uv_version_string() + ")";
}

}  // namespace perilune::daemon
