// The floor: the least a proxy on libuv can do, and so the limit Perilune is measured against.
//
// It forwards bytes in both directions and understands none of them: one read buffer for the whole
// loop, written to the other side straight from there; only what the kernel refuses is copied, and
// the source is not read again until that copy is gone. Whatever Perilune costs more than this, it
// costs for being programmable.
//
// An end of stream on either side ends the session, which is what a database client means by it.
//
//     perilune_floor LISTEN_PORT TARGET_ADDRESS TARGET_PORT       (port 0: the kernel's choice)

#include <netinet/in.h>
#include <uv.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

namespace {

constexpr std::size_t kBufferSize = 64 * 1024;
constexpr int kBacklog = 4096;

struct Forwarder {
  uv_loop_t loop;
  uv_tcp_t listener;
  sockaddr_storage target;
  std::array<char, kBufferSize> buffer;  // valid from a read callback's start to its end
};

// Bytes the kernel did not take; libuv owns the request until on_written.
struct Blocked {
  uv_write_t request;
  std::vector<char> bytes;
};

struct Session;

struct Side {
  uv_tcp_t tcp;
  Session* session;
  Side* peer;
  std::unique_ptr<Blocked> blocked;  // at most one: the peer is not read while there is one
};

// Deletes itself when libuv has given both handles back.
struct Session {
  explicit Session(Forwarder& forwarder);

  Forwarder& forwarder;
  Side client;
  Side server;
  uv_connect_t connect;
  int open_handles = 0;
  bool ending = false;  // close as soon as nothing is blocked
};

uv_stream_t* stream(Side& side) { return reinterpret_cast<uv_stream_t*>(&side.tcp); }
uv_handle_t* handle(Side& side) { return reinterpret_cast<uv_handle_t*>(&side.tcp); }

[[noreturn]] void die(const char* what, int code) {
  std::fprintf(stderr, "perilune_floor: %s: %s\n", what, uv_strerror(code));
  std::exit(1);
}

void require(const char* what, int code) {
  if (code < 0) die(what, code);
}

void on_closed(uv_handle_t* closed) noexcept {
  Session* session = static_cast<Side*>(closed->data)->session;
  if (--session->open_handles == 0) delete session;
}

void close_side(Side& side) {
  if (!uv_is_closing(handle(side))) uv_close(handle(side), on_closed);
}

void close(Session& session) {
  close_side(session.client);
  close_side(session.server);
}

void end(Session& session) {
  session.ending = true;
  if (!session.client.blocked && !session.server.blocked) close(session);
}

void lend_buffer(uv_handle_t* source, std::size_t, uv_buf_t* buffer) noexcept {
  auto& shared = static_cast<Side*>(source->data)->session->forwarder.buffer;
  *buffer = uv_buf_init(shared.data(), static_cast<unsigned>(shared.size()));
}

void on_read(uv_stream_t* source, ssize_t count, const uv_buf_t* buffer) noexcept;

void start_reading(Side& side) {
  if (uv_read_start(stream(side), lend_buffer, on_read) < 0) close(*side.session);
}

void on_written(uv_write_t* request, int status) noexcept {
  Side& target = *static_cast<Side*>(request->data);
  target.blocked.reset();
  if (status == UV_ECANCELED) return;
  if (status < 0) return close(*target.session);
  if (target.session->ending) return end(*target.session);
  start_reading(*target.peer);
}

void queue(Side& target, std::span<const char> bytes) {
  uv_read_stop(stream(*target.peer));
  target.blocked = std::make_unique<Blocked>();
  target.blocked->bytes.assign(bytes.begin(), bytes.end());
  target.blocked->request.data = &target;
  uv_buf_t rest = uv_buf_init(target.blocked->bytes.data(), static_cast<unsigned>(bytes.size()));
  const int status = uv_write(&target.blocked->request, stream(target), &rest, 1, on_written);
  if (status < 0) {
    target.blocked.reset();
    close(*target.session);
  }
}

void forward(Side& target, std::span<char> bytes) {
  const uv_buf_t all = uv_buf_init(bytes.data(), static_cast<unsigned>(bytes.size()));
  int written = uv_try_write(stream(target), &all, 1);
  if (written == UV_EAGAIN) written = 0;
  if (written < 0) return close(*target.session);
  const auto rest = bytes.subspan(static_cast<std::size_t>(written));
  if (!rest.empty()) queue(target, rest);
}

void on_read(uv_stream_t* source, ssize_t count, const uv_buf_t* buffer) noexcept {
  Side& side = *static_cast<Side*>(source->data);
  if (count < 0) {
    uv_read_stop(source);
    return end(*side.session);
  }
  if (count > 0) forward(*side.peer, {buffer->base, static_cast<std::size_t>(count)});
}

void on_connected(uv_connect_t* request, int status) noexcept {
  Session& session = *static_cast<Session*>(request->data);
  if (status == UV_ECANCELED) return;
  if (status < 0) return close(session);
  start_reading(session.client);
  start_reading(session.server);
}

void init_side(Side& side, Side& peer, Session& session) {
  side.session = &session;
  side.peer = &peer;
  require("socket", uv_tcp_init(&session.forwarder.loop, &side.tcp));
  side.tcp.data = &side;
  ++session.open_handles;
}

Session::Session(Forwarder& owner) : forwarder(owner) {
  init_side(client, server, *this);
  init_side(server, client, *this);
  connect.data = this;
}

void on_connection(uv_stream_t* listener, int status) noexcept {
  if (status < 0) return;
  Forwarder& forwarder = *static_cast<Forwarder*>(listener->data);
  Session& session = *new Session(forwarder);
  if (uv_accept(listener, stream(session.client)) < 0) return close(session);
  uv_tcp_nodelay(&session.client.tcp, 1);
  uv_tcp_nodelay(&session.server.tcp, 1);
  const auto* target = reinterpret_cast<const sockaddr*>(&forwarder.target);
  if (uv_tcp_connect(&session.connect, &session.server.tcp, target, on_connected) < 0)
    close(session);
}

int port_number(const char* text) {
  char* end = nullptr;
  const long port = std::strtol(text, &end, 10);
  if (end == text || *end != '\0' || port < 0 || port > 65535) die(text, UV_EINVAL);
  return static_cast<int>(port);
}

void read_target(const char* address, int port, sockaddr_storage& target) {
  if (uv_ip4_addr(address, port, reinterpret_cast<sockaddr_in*>(&target)) == 0) return;
  require(address, uv_ip6_addr(address, port, reinterpret_cast<sockaddr_in6*>(&target)));
}

void listen(Forwarder& forwarder, int port) {
  sockaddr_in local;
  require("address", uv_ip4_addr("127.0.0.1", port, &local));
  require("socket", uv_tcp_init(&forwarder.loop, &forwarder.listener));
  forwarder.listener.data = &forwarder;
  require("bind", uv_tcp_bind(&forwarder.listener, reinterpret_cast<sockaddr*>(&local), 0));
  auto* listener = reinterpret_cast<uv_stream_t*>(&forwarder.listener);
  require("listen", uv_listen(listener, kBacklog, on_connection));
  int size = sizeof(local);
  uv_tcp_getsockname(&forwarder.listener, reinterpret_cast<sockaddr*>(&local), &size);
  std::printf("listening on 127.0.0.1:%d\n", ntohs(local.sin_port));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: perilune_floor LISTEN_PORT TARGET_ADDRESS TARGET_PORT\n");
    return 64;
  }
  std::signal(SIGPIPE, SIG_IGN);
  static Forwarder forwarder;
  require("loop", uv_loop_init(&forwarder.loop));
  read_target(argv[2], port_number(argv[3]), forwarder.target);
  listen(forwarder, port_number(argv[1]));
  return uv_run(&forwarder.loop, UV_RUN_DEFAULT);
}
