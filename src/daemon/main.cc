#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <variant>

#include "daemon/check.hh"
#include "daemon/limits.hh"
#include "daemon/options.hh"
#include "daemon/supervisor.hh"
#include "event/unix_signal.hh"
#include "log/logger.hh"
#include "log/output.hh"

namespace perilune::daemon {

namespace {

int answer(const EarlyExit& exit) {
  std::fputs(exit.output.c_str(), stdout);
  std::fputs(exit.errors.c_str(), stderr);
  return exit.status;
}

int serve(const Options& options, const log::Logger& logger) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGUSR1, SIG_IGN);
  const auto limit = raise_descriptor_limit();
  if (!limit) {
    logger.warning("cannot raise the limit of descriptors",
                   log::field("reason", limit.error().message));
  }
  int status = 0;
  {
    Supervisor supervisor{options, logger};
    status = supervisor.run();
    // Who asks again while everything is taken down must not have the process killed by it.
    event::block_signals({SIGHUP, SIGINT, SIGTERM});
  }
  return status;
}

int run(const Options& options) {
  log::Output output{STDERR_FILENO, log::detect_format(STDERR_FILENO),
                     log::threshold_for(options.verbosity)};
  const log::Logger logger{output};
  try {
    return options.check ? check_configuration(options, logger) : serve(options, logger);
  } catch (const std::exception& e) {
    logger.text(log::Level::Error, "configuration", e.what());
    return kExitConfig;
  }
}

}  // namespace

}  // namespace perilune::daemon

int main(int argc, char* argv[]) {
  using namespace perilune::daemon;
  const auto parsed = parse_options(argc, argv);
  if (const auto* exit = std::get_if<EarlyExit>(&parsed)) return answer(*exit);
  return run(std::get<Options>(parsed));
}
