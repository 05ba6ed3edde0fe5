#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/systemd.hh"
#include "net/listener.hh"
#include "session/declaration.hh"

namespace perilune::daemon {

// The open sockets of one listener declaration: one, or all those that systemd passed.
using Sockets = std::vector<std::shared_ptr<net::ListenSocket>>;

// What the process listens on, through all reloads. Prepared sockets take the place of the present
// ones by commit(), which cannot fail; without it they are closed again.
class Listeners {
 public:
  explicit Listeners(std::vector<systemd::PassedSocket> passed);

  // FileDescriptorNames of the sockets that systemd passed.
  std::vector<std::string> passed_names() const;

  // Opens what is not open yet; throws ConfigError and leaves everything as it was.
  std::vector<Sockets> prepare(const std::vector<session::ListenerDeclaration>& wanted);
  // Changed options of sockets that stay are applied; what goes wrong with them is returned in
  // words.
  std::vector<std::string> commit(const std::vector<session::ListenerDeclaration>& wanted,
                                  std::vector<Sockets> prepared);

  const std::vector<Sockets>& open() const noexcept { return open_; }
  // The files of unix sockets go at once, whoever still holds the sockets.
  void close() noexcept;

 private:
  Sockets find_open(const session::ListenWhere& where) const;
  Sockets open_new(const session::ListenerDeclaration& declaration);
  Sockets passed(const session::SystemdSockets& which, int backlog);

  std::vector<systemd::PassedSocket> passed_;
  std::vector<session::ListenerDeclaration> declared_;
  std::vector<Sockets> open_;  // in the order of declared_
};

}  // namespace perilune::daemon
