// The commands that do something.

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "ctl/commands.hh"
#include "ctl/text.hh"

namespace perilune::ctl {

namespace {

int change_node(const Wish& wish, const char* path) {
  Arguments arguments{{"node", wish.node}};
  if (!wish.cluster.empty()) arguments.emplace("cluster", wish.cluster);
  if (wish.close) arguments.emplace("close", "1");
  Client client{wish.where};
  const Json answer = client.post(path, arguments);
  for (const Json& node : answer.at("nodes")) {
    std::printf("%s %s: %s\n", text_of(node, "cluster").c_str(), text_of(node, "node").c_str(),
                text_of(node, "state").c_str());
  }
  return 0;
}

}  // namespace

int drain(const Wish& wish) { return change_node(wish, "/drain"); }
int enable(const Wish& wish) { return change_node(wish, "/enable"); }

int kill(const Wish& wish) {
  if (wish.session.empty() == wish.account.empty()) {
    throw Failure("either a session's id or --account is needed");
  }
  Arguments arguments;
  if (wish.account.empty()) {
    arguments.emplace("session", wish.session);
  } else {
    arguments.emplace("account", wish.account);
  }
  Client client{wish.where};
  const Json answer = client.post("/kill", arguments);
  std::printf("closed %s\n", text_of(answer, "closed").c_str());
  return 0;
}

int reload(const Wish& wish) {
  Client client{wish.where};
  const Json answer = client.post("/reload");
  std::printf("generation %s\n", text_of(answer, "generation").c_str());
  return 0;
}

int reopen(const Wish& wish) {
  Client client{wish.where};
  const Json answer = client.post("/reopen");
  std::printf("reopening %s\n", text_of(answer, "reopening").c_str());
  return 0;
}

int shut_down(const Wish& wish) {
  Arguments arguments;
  if (wish.now) arguments.emplace("now", "1");
  Client client{wish.where};
  client.post("/shutdown", arguments);
  return 0;
}

int check(const Wish& wish) {
  const char* const path = wish.daemon.c_str();
  ::execlp(path, path, "--check", "--config", wish.config.c_str(), nullptr);
  throw Failure(wish.daemon + ": " + std::strerror(errno));
}

}  // namespace perilune::ctl
