#include "session/declaration.hh"

#include <algorithm>

#include "support/catch.hh"

namespace perilune::session {

namespace {

ListenerDeclaration listener(const char* path) {
  ListenerDeclaration declaration;
  declaration.where = net::Address::unix_name(path);
  declaration.label = path;
  declaration.callbacks = {"on_login"};
  return declaration;
}

}  // namespace

TEST_CASE("declaration: compared as a set, never by order", "[session]") {
  Declaration a;
  a.listeners = {listener("/a"), listener("/b")};
  Declaration b = a;
  std::ranges::reverse(b.listeners);
  CHECK_FALSE(a.difference(b).has_value());
}

TEST_CASE("declaration: names what differs", "[session]") {
  Declaration a;
  a.listeners = {listener("/a"), listener("/b")};
  Declaration b = a;
  b.listeners.pop_back();
  CHECK(a.difference(b).value().find("/b") != std::string::npos);
  CHECK(b.difference(a).value().find("/b") != std::string::npos);
  b = a;
  b.listeners[0].options.backlog = 7;
  CHECK(a.difference(b).value().find("options") != std::string::npos);
  b = a;
  b.listeners[0].options.proxy_peers.local = true;
  CHECK(a.difference(b).value().find("options") != std::string::npos);
  b = a;
  b.listeners[1].callbacks.emplace_back("on_connect");
  CHECK(a.difference(b).value().find("callbacks") != std::string::npos);
  b = a;
  b.settings.workers = 9;
  CHECK(a.difference(b).value().find("settings") != std::string::npos);
}

}  // namespace perilune::session
