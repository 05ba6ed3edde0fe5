#pragma once

#include <string>
#include <vector>

#include "ctl/client.hh"

namespace perilune::ctl {

// What the command line asks for.
struct Wish {
  Where where;
  bool json = false;
  std::string sort = "id";
  std::vector<std::string> filters;  // "account=anna"
  unsigned limit = 1000;
  bool history = false;
  std::string node;
  std::string cluster;
  bool close = false;
  std::string session;
  std::string account;
  bool now = false;
  std::string config;
  std::string daemon;
  double interval = 2;
};

// Each does what the command of its name does and returns the exit status; they throw Failure.
int show_status(const Wish& wish);
int show_sessions(const Wish& wish);
int show_nodes(const Wish& wish);
int show_listeners(const Wish& wish);
int show_generations(const Wish& wish);
int show_logs(const Wish& wish);
int drain(const Wish& wish);
int enable(const Wish& wish);
int kill(const Wish& wish);
int reload(const Wish& wish);
int reopen(const Wish& wish);
int shut_down(const Wish& wish);
int check(const Wish& wish);

// "account=anna" and so on as arguments; throws Failure.
Arguments selection_of(const Wish& wish);

}  // namespace perilune::ctl
