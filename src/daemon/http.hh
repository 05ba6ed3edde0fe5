#pragma once

#include <memory>
#include <vector>

#include "daemon/acceptors.hh"
#include "daemon/http_server.hh"
#include "event/loop.hh"
#include "log/logger.hh"
#include "net/listener.hh"
#include "session/declaration.hh"

namespace perilune::daemon {

// What prometheus_listen and admin_listen have asked for, on the control thread. Sockets live
// through reloads like those of Listeners.
class Http {
 public:
  // The handlers are called on threads of their own.
  struct Handlers {
    HttpServer::Handler metrics;
    HttpServer::Handler admin;
  };

  // What a declaration listens with.
  struct Place {
    session::HttpDeclaration declaration;
    std::shared_ptr<net::ListenSocket> socket;
    std::shared_ptr<const auth::Secret> token;  // null: none
  };
  using Prepared = std::vector<Place>;

  Http(event::Loop& loop, Handlers handlers, const log::Logger& logger);
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  // Opens what is not open yet and reads the tokens; throws ConfigError and leaves everything as it
  // was.
  Prepared prepare(const std::vector<session::HttpDeclaration>& wanted);
  void commit(Prepared prepared);
  void discard() noexcept { acceptors_.discard(); }  // what was prepared
  // The files of unix sockets go at once, and nothing more is accepted.
  void close() noexcept;
  // Waits for what is still being answered.
  void end() noexcept;
  void tick() noexcept;

 private:
  void accept(UniqueFd socket, const net::Address& peer, std::size_t place);
  HttpServer& server_of(session::HttpDeclaration::Service service);

  Handlers handlers_;
  const log::Logger& logger_;
  std::vector<Place> places_;
  std::unique_ptr<HttpServer> metrics_;  // from the first need on
  std::unique_ptr<HttpServer> admin_;    // likewise
  Acceptors acceptors_;
};

// What the file holds, without blanks around it. Throws ConfigError: also when others than its owner
// and group may read it, and when it is so short that it could be guessed.
auth::Secret read_token(const std::string& path);

}  // namespace perilune::daemon
