#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "auth/secret.hh"
#include "log/logger.hh"
#include "log/throttle.hh"
#include "net/address.hh"
#include "util/clock.hh"
#include "util/fd.hh"

struct MHD_Connection;
struct MHD_Daemon;

namespace perilune::daemon {

struct HttpRequest {
  std::string method;
  std::string path;
  std::map<std::string, std::string> arguments;  // of the query
  std::string peer;                              // for the log
};

struct HttpResponse {
  unsigned status = 200;
  std::string type = "application/json";
  std::string body;
};

// Speaks HTTP on accepted connections, each on a thread of its own, so that an answer may wait; one
// request a connection. Connections, the size of a request and the time that it may take are
// limited.
class HttpServer {
 public:
  static constexpr unsigned kMostConnections = 32;
  static constexpr std::size_t kMostHeaders = 16 * 1024;
  static constexpr std::size_t kMostBody = 64 * 1024;
  // For a client to ask, and to take the answer.
  static constexpr Millis kAskLimit{15000};
  static constexpr Millis kTakeLimit{60000};

  // Called on the threads of the connections, several at once.
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  // Throws ConfigError.
  HttpServer(Handler handler, const log::Logger& logger);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer();  // ends all connections and waits for what the handler still does

  // `token`: what the client must know; null: nothing.
  void serve(UniqueFd socket, const net::Address& peer, std::shared_ptr<const auth::Secret> token);
  // Ends connections whose time is over; about every 100 ms.
  void tick() noexcept;

 private:
  struct Caller {
    std::string peer;
    std::shared_ptr<const auth::Secret> token;
  };
  struct Client {
    Caller caller;
    UniqueFd socket;  // a copy: the number of libmicrohttpd's own may come to mean another one
    Clock::time_point deadline;
  };
  struct Callbacks;

  bool is_full();
  Caller begin_answer(int socket);
  void end_answer(int socket);
  void forget(int socket) noexcept;
  HttpResponse answer(MHD_Connection* connection, const char* method, const char* path);
  bool is_allowed(MHD_Connection* connection, const Caller& caller);

  const Handler handler_;
  const log::Logger& logger_;
  std::mutex mutex_;  // of what follows
  std::map<int, Client> clients_;  // by the numbers of libmicrohttpd's sockets
  log::Throttle throttle_{Millis{10000}};
  MHD_Daemon* daemon_ = nullptr;  // the last to come, the first to go
};

}  // namespace perilune::daemon
