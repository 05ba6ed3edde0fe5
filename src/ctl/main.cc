#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "ctl/commands.hh"
#include "ctl/top.hh"

#ifndef PERILUNE_VERSION
#error "the build defines PERILUNE_VERSION as a string, the project's version"
#endif

namespace perilune::ctl {

namespace {

constexpr int kExitUsage = 64;

// A command: its name, what it is for, its own options, and what it does.
struct Command {
  const char* name;
  const char* help;
  void (*describe)(CLI::App& app, Wish& wish);
  int (*run)(const Wish& wish);
};

void add_json(CLI::App& app, Wish& wish) { app.add_flag("--json", wish.json, "Print JSON"); }

void describe_sessions(CLI::App& app, Wish& wish) {
  add_json(app, wish);
  app.add_option("--sort", wish.sort, "What comes first")
      ->check(CLI::IsMember({"id", "age", "bytes", "statements", "busy"}))
      ->capture_default_str();
  app.add_option("--filter", wish.filters,
                 "FIELD=VALUE, may be repeated: account, address, database, listener, server, "
                 "user, waits_for")
      ->type_name("FIELD=VALUE")
      ->take_all();
  app.add_option("--limit", wish.limit, "At most so many")->capture_default_str();
}

void describe_nodes(CLI::App& app, Wish& wish) {
  add_json(app, wish);
  app.add_flag("--history", wish.history, "The states before as well");
}

void describe_node_change(CLI::App& app, Wish& wish) {
  app.add_option("NODE", wish.node, "The node's name or address")->required();
  app.add_option("--cluster", wish.cluster, "In this cluster alone");
}

void describe_drain(CLI::App& app, Wish& wish) {
  describe_node_change(app, wish);
  app.add_flag("--close", wish.close, "Have its sessions end at their quiet moments");
}

void describe_kill(CLI::App& app, Wish& wish) {
  app.add_option("SESSION", wish.session, "The session's id");
  app.add_option("--account", wish.account, "All sessions of this account instead");
}

void describe_shutdown(CLI::App& app, Wish& wish) {
  app.add_flag("--now", wish.now, "End the sessions at once");
}

void describe_check(CLI::App& app, Wish& wish) {
  wish.config = "/etc/perilune/config.lua";
  wish.daemon = PERILUNE_DAEMON;
  app.add_option("FILE", wish.config, "The script")->capture_default_str();
  app.add_option("--daemon", wish.daemon, "The program that checks it")->capture_default_str();
}

void describe_top(CLI::App& app, Wish& wish) {
  app.add_option("--interval", wish.interval, "Seconds between two looks")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
}

constexpr Command kCommands[] = {
    {"status", "What the daemon does", add_json, show_status},
    {"sessions", "The sessions", describe_sessions, show_sessions},
    {"top", "The busiest sessions, over and over", describe_top, show_top},
    {"nodes", "The clusters' nodes", describe_nodes, show_nodes},
    {"listeners", "The listeners", add_json, show_listeners},
    {"generations", "The generations of the configuration", add_json, show_generations},
    {"logs", "The logs of statements", add_json, show_logs},
    {"drain", "Send nobody to a node any more", describe_drain, drain},
    {"enable", "Use a drained node again", describe_node_change, enable},
    {"kill", "End a session, or those of an account", describe_kill, kill},
    {"reload", "Load the configuration again", [](CLI::App&, Wish&) {}, reload},
    {"reopen", "Open the logs of statements again", [](CLI::App&, Wish&) {}, reopen},
    {"shutdown", "End the daemon", describe_shutdown, shut_down},
    {"check", "Check a configuration", describe_check, check},
};

void describe(CLI::App& app, Wish& wish) {
  app.set_help_flag("-h,--help", "Print this text and exit");
  app.set_version_flag("--version", "perilunectl " PERILUNE_VERSION, "Print the version and exit");
  app.add_option("--socket", wish.where.socket, "The daemon's admin socket")
      ->envname("PERILUNE_ADMIN_SOCKET")
      ->capture_default_str();
  app.add_option("--url", wish.where.url, "Its address, if it is on TCP: http://HOST:9101")
      ->envname("PERILUNE_ADMIN_URL");
  app.add_option("--token-file", wish.where.token_file, "What it wants to know is in there")
      ->envname("PERILUNE_ADMIN_TOKEN_FILE");
  app.require_subcommand(1);
  for (const Command& command : kCommands) {
    CLI::App* const sub = app.add_subcommand(command.name, command.help);
    sub->set_help_flag("-h,--help", "Print this text and exit");
    command.describe(*sub, wish);
  }
}

int run(const CLI::App& app, const Wish& wish) {
  for (const Command& command : kCommands) {
    if (app.got_subcommand(command.name)) return command.run(wish);
  }
  return kExitUsage;
}

}  // namespace

}  // namespace perilune::ctl

int main(int argc, char* argv[]) {
  using namespace perilune::ctl;
  CLI::App app("Administers Perilune, the database proxy", "perilunectl");
  Wish wish;
  describe(app, wish);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& reason) {
    return app.exit(reason) == 0 ? 0 : kExitUsage;
  }
  try {
    return run(app, wish);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "perilunectl: %s\n", e.what());
    return 1;
  }
}
