#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event/first_of.hh"
#include "lua/class.hh"
#include "lua/options.hh"
#include "lua/wait.hh"
#include "net/connect.hh"
#include "net/socket.hh"
#include "script/address.hh"
#include "script/hooks.hh"
#include "script/libs.hh"

namespace perilune::script {

namespace {

constexpr std::array<std::string_view, 2> kOptions{"timeout", "type"};
constexpr Millis kTimeout{10000};
constexpr std::size_t kReceive = 64 * 1024;
constexpr std::size_t kMostReceived = 16 << 20;
constexpr const char* kTimedOut = "timed out";
constexpr const char* kClosed = "closed";

using SocketPointer = std::shared_ptr<net::Socket>;

struct SocketObject {
  static constexpr const char* kClassName = "socket";
  SocketPointer socket;
  Millis timeout;
};

using Sockets = lua::Class<SocketObject>;

// --- connect

struct Wish {
  net::Endpoint where;
  int type = SOCK_STREAM;
  Millis timeout = kTimeout;
};

net::Endpoint check_where(lua_State* L, int index) {
  if (const auto* object = lua::Class<AddressObject>::test(L, index)) return object->address;
  auto where = net::parse_endpoint(lua::check_text(L, index), std::nullopt);
  if (!where) throw lua::ArgumentError(index, where.error().message);
  return *std::move(where);
}

int read_type(const lua::Options& options) {
  const std::string type = options.text("type").value_or("stream");
  if (type == "stream") return SOCK_STREAM;
  if (type == "dgram") return SOCK_DGRAM;
  if (type == "seqpacket") return SOCK_SEQPACKET;
  throw lua::Error("Unsupported socket type '" + type + "'");
}

Wish read_wish(lua_State* L) {
  Wish wish;
  wish.where = check_where(L, 2);
  if (lua_isnoneornil(L, 3)) return wish;
  lua::check_table(L, 3);
  const lua::Options options{L, 3, "option", kOptions};
  wish.type = read_type(options);
  wish.timeout = options.duration("timeout").value_or(kTimeout);
  return wish;
}

using Opened = Result<SocketPointer, Failure>;

event::Task<std::vector<net::Address>> addresses_of(event::Loop& loop, net::Endpoint where) {
  if (const auto* address = std::get_if<net::Address>(&where)) co_return std::vector{*address};
  co_return co_await net::resolve(loop, std::get<net::HostName>(where));
}

// One address after the other.
event::Task<Opened> open(event::Loop& loop, Wish wish) {
  std::vector<net::Address> addresses = co_await addresses_of(loop, wish.where);
  Opened opened{Failure{"no address"}};
  for (const net::Address& address : addresses) {
    opened = co_await net::connect_socket(loop, address, wish.type);
    if (opened) break;
  }
  co_return opened;
}

int push_socket(lua_State* L, const SocketPointer& socket, Millis timeout) {
  Sockets::push(L, SocketObject{socket, timeout});
  if (SessionHooks* const hooks = SessionHooks::of_current(L)) hooks->belongings().add(socket);
  return 1;
}

event::Task<lua::Push> connect_to(event::Loop& loop, Wish wish) {
  Opened opened{Failure{kTimedOut}};
  try {
    event::Task<Opened> opening = open(loop, wish);
    auto in_time = co_await event::within(loop, wish.timeout, std::move(opening));
    if (in_time) opened = *std::move(in_time);
  } catch (const std::exception& error) {
    opened = Failure{error.what()};
  }
  co_return lua::Push{[opened = std::move(opened), timeout = wish.timeout](lua_State* L) {
    if (!opened) return push_failure(L, opened.error().message);
    return push_socket(L, *opened, timeout);
  }};
}

int connect(lua_State* L) {
  lua::check_table(L, 1);
  Wish wish = read_wish(L);
  return lua::await(L, connect_to(lua::State::of(L).loop(), std::move(wish)));
}

// --- send

[[noreturn]] void fail_position() { throw lua::Error("Bad string position"); }

double check_position(lua_State* L, int index) {
  const double position = lua::check_number(L, index);
  if (std::floor(position) != position) fail_position();
  return position;
}

// As in myproxy: the end first, then the start of what is left; nothing is clamped.
std::string_view check_data(lua_State* L) {
  std::string_view data = lua::check_text(L, 2);
  if (!lua_isnoneornil(L, 4)) {
    const double last = check_position(L, 4);
    const double size = last < 0 ? static_cast<double>(data.size()) + last + 1 : last;
    if (size < 0 || size > static_cast<double>(data.size())) fail_position();
    data = data.substr(0, static_cast<std::size_t>(size));
  }
  if (!lua_isnoneornil(L, 3)) {
    const double first = check_position(L, 3);
    const double skipped = first < 0 ? static_cast<double>(data.size()) + first : first - 1;
    if (skipped < 0 || skipped > static_cast<double>(data.size())) fail_position();
    data.remove_prefix(static_cast<std::size_t>(skipped));
  }
  return data;
}

std::string error_text(ssize_t code) {
  return code == -EBADF ? kClosed : std::strerror(static_cast<int>(-code));
}

event::Task<ssize_t> send_all(SocketPointer socket, std::string data) {
  Bytes left = as_bytes(data);
  while (!left.empty()) {
    co_await socket->writable();
    const ssize_t sent = socket->send(left);
    if (sent < 0 && sent != -EAGAIN) co_return sent;
    if (sent > 0) left = left.subspan(static_cast<std::size_t>(sent));
  }
  co_return 0;
}

event::Task<lua::Push> send_rest(event::Loop& loop, SocketObject object, std::string data,
                                 std::size_t size) {
  event::Task<ssize_t> sending = send_all(object.socket, std::move(data));
  const auto done = co_await event::within(loop, object.timeout, std::move(sending));
  co_return lua::Push{[done, size](lua_State* L) {
    if (!done) return push_failure(L, kTimedOut);
    if (*done < 0) return push_failure(L, error_text(*done));
    lua_pushnumber(L, static_cast<double>(size));
    return 1;
  }};
}

// Waits only if the kernel does not take all of it at once.
int send(lua_State* L) {
  const SocketObject object = Sockets::check(L, 1);
  const std::string_view data = check_data(L);
  if (object.socket->has_writer()) throw lua::Error("another coroutine sends to this socket");
  const bool is_nothing = data.empty() && !object.socket->is_datagram();
  const ssize_t sent = is_nothing ? 0 : object.socket->send(as_bytes(data));
  if (!object.socket->is_open()) return push_failure(L, kClosed);
  if (sent < 0 && sent != -EAGAIN) return push_failure(L, error_text(sent));
  const auto done = static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
  if (sent >= 0 && done == data.size()) {
    lua_pushnumber(L, static_cast<double>(done));
    return 1;
  }
  std::string rest{data.substr(done)};
  return lua::await(L, send_rest(lua::State::of(L).loop(), object, std::move(rest), data.size()));
}

// --- receive

struct Received {
  ssize_t code = -EAGAIN;
  std::string data;
};

Received receive_now(net::Socket& socket, std::size_t most) {
  Received received;
  received.data.resize(most);
  received.code = socket.receive({reinterpret_cast<std::byte*>(received.data.data()), most});
  received.data.resize(static_cast<std::size_t>(std::max<ssize_t>(received.code, 0)));
  return received;
}

int push_received(lua_State* L, const net::Socket& socket, const Received& received) {
  if (received.code < 0) return push_failure(L, error_text(received.code));
  if (received.code == 0 && !socket.is_datagram()) return push_failure(L, kClosed);
  lua::push_text(L, received.data);
  return 1;
}

event::Task<Received> receive_soon(SocketPointer socket, std::size_t most) {
  Received received;
  while (received.code == -EAGAIN) {
    co_await socket->readable();
    received = receive_now(*socket, most);
  }
  co_return received;
}

event::Task<lua::Push> receive_in_time(event::Loop& loop, SocketObject object, std::size_t most) {
  event::Task<Received> receiving = receive_soon(object.socket, most);
  auto received = co_await event::within(loop, object.timeout, std::move(receiving));
  co_return lua::Push{
      [received = std::move(received), socket = std::move(object.socket)](lua_State* L) {
        if (!received) return push_failure(L, kTimedOut);
        return push_received(L, *socket, *received);
      }};
}

std::size_t check_most(lua_State* L, int index) {
  if (lua_isnoneornil(L, index)) return kReceive;
  const double most = lua::check_number(L, index);
  if (!(most >= 1)) throw lua::ArgumentError(index, "Size is too small");
  if (most > static_cast<double>(kMostReceived)) {
    throw lua::ArgumentError(index, "Size is too large");
  }
  return static_cast<std::size_t>(most);
}

int receive(lua_State* L) {
  const SocketObject object = Sockets::check(L, 1);
  const std::size_t most = check_most(L, 2);
  if (object.socket->has_reader()) throw lua::Error("another coroutine receives from this socket");
  const Received received = receive_now(*object.socket, most);
  if (received.code != -EAGAIN) return push_received(L, *object.socket, received);
  return lua::await(L, receive_in_time(lua::State::of(L).loop(), object, most));
}

int close(lua_State* L) {
  Sockets::check(L, 1).socket->close();
  return 0;
}

constexpr lua::Function kMethods[] = {
    {"close", lua::guarded<close>},
    {"receive", lua::guarded<receive>, true},
    {"send", lua::guarded<send>, true},
};
constexpr lua::Function kFunctions[] = {{"connect", lua::guarded<connect>, true}};

}  // namespace

void push_socket_library(lua_State* L) {
  define_class<SocketObject>(L, kMethods);
  push_library(L, kFunctions);
}

}  // namespace perilune::script
