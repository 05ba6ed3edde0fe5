#pragma once

#include <optional>
#include <string>
#include <variant>

namespace perilune::daemon {

// sysexits.h
inline constexpr int kExitUsage = 64;
inline constexpr int kExitConfig = 78;

inline constexpr const char* kDefaultConfig = "/etc/perilune/config.lua";

// More threads than any machine that this runs on has processors; a slip of the finger is caught.
inline constexpr unsigned kMaxWorkers = 256;

// The command line.
struct Options {
  std::string config = kDefaultConfig;
  bool check = false;               // load, report, exit
  std::optional<unsigned> workers;  // overrides the script's settings
  int verbosity = 0;                // number of -v minus number of -q
};

// The command line was answered already (--help, --version) or is wrong: print and exit.
struct EarlyExit {
  int status = 0;
  std::string output;  // for stdout
  std::string errors;  // for stderr
};

std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv);

// "perilune 0.1.0 (LuaJIT 2.1.0, libuv 1.44.2)"
std::string version_line();

}  // namespace perilune::daemon
