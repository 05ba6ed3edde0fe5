#include "daemon/http_server.hh"

#include <fcntl.h>
#include <microhttpd.h>
#include <sys/socket.h>

#include <cstddef>
#include <exception>
#include <string_view>
#include <utility>

#include "net/peer_credentials.hh"
#include "util/error.hh"

namespace perilune::daemon {

namespace {

constexpr unsigned kIdleSeconds = 10;
constexpr std::string_view kScheme = "Bearer ";

std::string name_of_peer(int socket, const net::Address& peer) {
  if (!peer.is_unix()) return peer.text();
  const auto credentials = net::peer_credentials(socket);
  if (!credentials || !*credentials) return "local";
  return "pid=" + std::to_string((*credentials)->pid) +
         " uid=" + std::to_string((*credentials)->uid);
}

int socket_of(MHD_Connection* connection) noexcept {
  const auto* const info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info != nullptr ? info->connect_fd : -1;
}

MHD_Result take_argument(void* to, MHD_ValueKind, const char* key, const char* value) {
  auto& arguments = *static_cast<std::map<std::string, std::string>*>(to);
  arguments.insert_or_assign(key, value != nullptr ? value : "");
  return MHD_YES;
}

HttpResponse text_response(unsigned status, std::string text) {
  return {status, "text/plain; charset=utf-8", std::move(text) + "\n"};
}

MHD_Result send(MHD_Connection* connection, const HttpResponse& response) {
  MHD_Response* const made = MHD_create_response_from_buffer(
      response.body.size(), const_cast<char*>(response.body.data()), MHD_RESPMEM_MUST_COPY);
  if (made == nullptr) return MHD_NO;
  MHD_add_response_header(made, MHD_HTTP_HEADER_CONTENT_TYPE, response.type.c_str());
  MHD_add_response_header(made, MHD_HTTP_HEADER_CONNECTION, "close");
  MHD_add_response_header(made, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  if (response.status == MHD_HTTP_UNAUTHORIZED) {
    MHD_add_response_header(made, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
  }
  const MHD_Result sent = MHD_queue_response(connection, response.status, made);
  MHD_destroy_response(made);
  return sent;
}

}  // namespace

// What libmicrohttpd calls, on the thread of a connection.
struct HttpServer::Callbacks {
  // Called once for the headers, then for each piece of the body, then for the end. Nothing wants a
  // body: it is counted in `state` and dropped.
  static MHD_Result access(void* self, MHD_Connection* connection, const char* path,
                           const char* method, const char*, const char*, std::size_t* size,
                           void** state) noexcept {
    auto* const body = static_cast<std::size_t*>(*state);
    try {
      if (body == nullptr) {
        *state = new std::size_t{0};
        return MHD_YES;
      }
      const std::size_t piece = std::exchange(*size, 0);
      *body += piece;
      // In the middle of a body nothing can be answered.
      if (piece > 0) return *body > kMostBody ? MHD_NO : MHD_YES;
      return send(connection,
                  static_cast<HttpServer*>(self)->answer(connection, method, path));
    } catch (const std::exception&) {
      return MHD_NO;
    }
  }

  static void completed(void*, MHD_Connection*, void** state,
                        MHD_RequestTerminationCode) noexcept {
    delete static_cast<std::size_t*>(std::exchange(*state, nullptr));
  }

  static void connection(void* self, MHD_Connection* connection, void**,
                         MHD_ConnectionNotificationCode what) noexcept {
    if (what != MHD_CONNECTION_NOTIFY_CLOSED) return;
    static_cast<HttpServer*>(self)->forget(socket_of(connection));
  }
};

HttpServer::HttpServer(Handler handler, const log::Logger& logger)
    : handler_(std::move(handler)), logger_(logger) {
  constexpr unsigned kFlags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                              MHD_USE_POLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC;
  daemon_ = MHD_start_daemon(
      kFlags, 0, nullptr, nullptr, &Callbacks::access, this,  //
      MHD_OPTION_CONNECTION_LIMIT, 2 * kMostConnections,      //
      MHD_OPTION_CONNECTION_TIMEOUT, kIdleSeconds,            //
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, kMostHeaders,       //
      MHD_OPTION_NOTIFY_COMPLETED, &Callbacks::completed, this,
      MHD_OPTION_NOTIFY_CONNECTION, &Callbacks::connection, this, MHD_OPTION_END);
  if (daemon_ == nullptr) throw ConfigError("the HTTP server cannot be started");
}

HttpServer::~HttpServer() { MHD_stop_daemon(daemon_); }

// libmicrohttpd itself is kept from its limit: with threads it hangs there.
bool HttpServer::is_full() {
  const std::scoped_lock lock{mutex_};
  return clients_.size() >= kMostConnections;
}

// libmicrohttpd owns the socket from the call on, whatever comes of it.
void HttpServer::serve(UniqueFd socket, const net::Address& peer,
                       std::shared_ptr<const auth::Secret> token) {
  if (is_full()) return;
  Client client;
  client.caller = {name_of_peer(socket.value(), peer), std::move(token)};
  client.socket = UniqueFd{::fcntl(socket.value(), F_DUPFD_CLOEXEC, 0)};
  client.deadline = Clock::now() + kAskLimit;
  const int fd = socket.release();
  {
    const std::scoped_lock lock{mutex_};
    clients_[fd] = std::move(client);
  }
  if (MHD_add_connection(daemon_, fd, peer.data(), peer.size()) == MHD_YES) return;
  forget(fd);  // the socket is closed already
}

void HttpServer::tick() noexcept {
  const auto now = Clock::now();
  const std::scoped_lock lock{mutex_};
  for (const auto& [number, client] : clients_) {
    if (now > client.deadline) ::shutdown(client.socket.value(), SHUT_RDWR);
  }
  // Of a connection that has never begun libmicrohttpd says no word.
  std::erase_if(clients_, [now](const auto& entry) {
    return now > entry.second.deadline && now - entry.second.deadline > kAskLimit;
  });
}

HttpServer::Caller HttpServer::begin_answer(int socket) {
  const std::scoped_lock lock{mutex_};
  Client& client = clients_.at(socket);
  client.deadline = Clock::time_point::max();
  return client.caller;
}

void HttpServer::end_answer(int socket) {
  const std::scoped_lock lock{mutex_};
  clients_.at(socket).deadline = Clock::now() + kTakeLimit;
}

void HttpServer::forget(int socket) noexcept {
  const std::scoped_lock lock{mutex_};
  clients_.erase(socket);
}

HttpResponse HttpServer::answer(MHD_Connection* connection, const char* method, const char* path) {
  const int socket = socket_of(connection);
  const Caller caller = begin_answer(socket);
  HttpResponse response;
  if (is_allowed(connection, caller)) {
    HttpRequest request;
    request.method = method;
    request.path = path;
    request.peer = caller.peer;
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, &take_argument,
                              &request.arguments);
    try {
      response = handler_(request);
    } catch (const std::exception& error) {
      response = text_response(MHD_HTTP_INTERNAL_SERVER_ERROR, error.what());
    }
  } else {
    response = text_response(MHD_HTTP_UNAUTHORIZED, "a token is required");
  }
  end_answer(socket);
  return response;
}

bool HttpServer::is_allowed(MHD_Connection* connection, const Caller& caller) {
  if (!caller.token) return true;
  const char* const header =
      MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
  const std::string_view given = header != nullptr ? header : "";
  const bool has_token = given.starts_with(kScheme);
  const auto token = has_token ? given.substr(kScheme.size()) : std::string_view{};
  if (auth::equal_in_constant_time(as_bytes(token), caller.token->bytes())) return true;
  const std::scoped_lock lock{mutex_};
  if (const auto missed = throttle_.admit(Clock::now())) {
    logger_.warning("admin request refused", log::field("peer", caller.peer),
                    log::field("reason", has_token ? "wrong token" : "no token"),
                    log::field("suppressed", *missed));
  }
  return false;
}

}  // namespace perilune::daemon
