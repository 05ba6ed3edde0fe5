#include "script/listen.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "lua/class.hh"
#include "lua/options.hh"
#include "script/address.hh"
#include "script/cluster.hh"
#include "script/file_rights.hh"
#include "script/globals.hh"
#include "script/host.hh"
#include "script/log.hh"
#include "script/tls.hh"
#include "util/suggest.hh"

namespace perilune::script {

namespace {

constexpr std::array<std::string_view, 8> kCallbacks{
    "on_command_phase", "on_connect", "on_disconnect", "on_handshake_response",
    "on_init_db",       "on_log",     "on_login",      "on_query"};
constexpr std::array<std::string_view, 6> kPgsqlCallbacks{
    "on_command_phase", "on_connect", "on_disconnect", "on_log", "on_login", "on_query"};
constexpr std::array<std::string_view, 2> kTcpCallbacks{"on_connect", "on_disconnect"};

constexpr std::array<std::string_view, 14> kOptions{"backlog",
                                                    "group",
                                                    "handshake_timeout",
                                                    "idle_timeout",
                                                    "max_connections",
                                                    "mode",
                                                    "proxy_protocol",
                                                    "server_version",
                                                    "user",
                                                    "allow_cleartext",
                                                    "like",
                                                    "log",
                                                    "max_query",
                                                    "tls"};
constexpr std::array<std::string_view, 13> kPgsqlOptions{"backlog",
                                                         "group",
                                                         "handshake_timeout",
                                                         "idle_timeout",
                                                         "log",
                                                         "max_connections",
                                                         "mode",
                                                         "proxy_protocol",
                                                         "server_version",
                                                         "user",
                                                         "allow_cleartext",
                                                         "max_query",
                                                         "tls"};
constexpr std::array<std::string_view, 9> kTcpOptions{"backlog",
                                                      "group",
                                                      "handshake_timeout",
                                                      "idle_timeout",
                                                      "max_connections",
                                                      "mode",
                                                      "proxy_protocol",
                                                      "tls",
                                                      "user"};

constexpr std::array<std::string_view, 1> kProxyOptions{"from"};
constexpr std::string_view kUnixPeers = "unix";

// What the listeners of one protocol know.
struct Dialect {
  session::Protocol protocol;
  std::span<const std::string_view> callbacks;
  std::span<const std::string_view> options;
};

constexpr Dialect kMysql{session::Protocol::Mysql, kCallbacks, kOptions};
constexpr Dialect kPgsql{session::Protocol::Pgsql, kPgsqlCallbacks, kPgsqlOptions};
constexpr Dialect kTcp{session::Protocol::Tcp, kTcpCallbacks, kTcpOptions};

bool contains(std::span<const std::string_view> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

[[noreturn]] void fail_here(std::string_view name, const Dialect& dialect) {
  throw lua::Error(
      fmt::format("'{}' is not for {}_listen", name, session::name_of(dialect.protocol)));
}

// --- where

void check_systemd_sockets(const Host& host, const SystemdObject& wish) {
  const auto& passed = host.options().systemd_socket_names;
  if (host.options().check_only) return;
  if (passed.empty()) throw lua::Error("No systemd socket");
  if (wish.name.empty() || std::ranges::find(passed, wish.name) != passed.end()) return;
  throw lua::Error(fmt::format("No systemd socket of the name '{}'", wish.name));
}

void read_where(lua_State* L, int index, session::ListenerDeclaration& declaration) {
  if (const auto* wish = lua::Class<SystemdObject>::test(L, index)) {
    check_systemd_sockets(Host::of(L), *wish);
    declaration.where = session::SystemdSockets{wish->name};
    declaration.label = wish->name.empty() ? "systemd" : "systemd." + wish->name;
    return;
  }
  if (const auto* address = lua::Class<AddressObject>::test(L, index)) {
    declaration.where = address->address;
    declaration.label = address->address.text();
    return;
  }
  const std::string_view text = lua::check_text(L, index);
  const auto address = net::parse_listen_address(text, default_port(declaration.protocol));
  if (!address) throw lua::ArgumentError(index, address.error().message);
  declaration.where = *address;
  declaration.label = text;
}

// --- the handler

void check_handler_key(lua_State* L, std::string_view key, const Dialect& dialect) {
  const bool is_known = contains(dialect.callbacks, key);
  if (!is_known && contains(kCallbacks, key)) fail_here(key, dialect);
  if (!is_known) throw lua::Error(unknown_name("callback", key, dialect.callbacks));
  if (!lua_isfunction(L, -1)) throw lua::Error(fmt::format("'{}' is not a function", key));
}

bool has(const std::vector<std::string>& callbacks, std::string_view name) {
  return std::ranges::find(callbacks, name) != callbacks.end();
}

void check_required(const std::vector<std::string>& callbacks, const Dialect& dialect) {
  if (dialect.protocol == session::Protocol::Tcp) {
    if (!has(callbacks, "on_connect")) throw lua::Error("the handler has no on_connect");
    return;
  }
  const bool own = has(callbacks, "on_login");
  const bool myproxy = has(callbacks, "on_handshake_response");
  if (own && myproxy) {
    throw lua::Error("on_login and on_handshake_response are the same; only one is allowed");
  }
  if (!own && !myproxy) throw lua::Error("the handler has no on_login");
}

std::vector<std::string> check_handler(lua_State* L, int index, const Dialect& dialect) {
  lua::check_table(L, index);
  std::vector<std::string> callbacks;
  lua::for_each_key(L, index, "callback", [&](std::string_view key) {
    check_handler_key(L, key, dialect);
    callbacks.emplace_back(key);
  });
  std::ranges::sort(callbacks);
  check_required(callbacks, dialect);
  return callbacks;
}

int reference_to(lua_State* L, int table, const char* name) {
  lua_pushstring(L, name);
  lua_rawget(L, table);
  if (!lua_isnil(L, -1)) return luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pop(L, 1);
  return LUA_NOREF;
}

Handler make_handler(lua_State* L, int table) {
  Handler handler;
  handler.on_connect = reference_to(L, table, "on_connect");
  handler.on_login = reference_to(L, table, "on_login");
  handler.on_command_phase = reference_to(L, table, "on_command_phase");
  handler.on_disconnect = reference_to(L, table, "on_disconnect");
  handler.on_init_db = reference_to(L, table, "on_init_db");
  handler.on_query = reference_to(L, table, "on_query");
  handler.on_log = reference_to(L, table, "on_log");
  if (handler.on_login >= 0) return handler;
  handler.on_login = reference_to(L, table, "on_handshake_response");
  handler.is_myproxy = handler.on_login >= 0;
  return handler;
}

// --- options

void read_unix_options(const lua::Options& options, session::ListenerDeclaration& declaration) {
  const auto* address = std::get_if<net::Address>(&declaration.where);
  for (const std::string_view name : {"mode", "user", "group"}) {
    if (options.has(name) && address != nullptr && address->path().empty()) {
      throw lua::Error(fmt::format("'{}' is only for unix sockets with a path", name));
    }
  }
  session::ListenerOptions& read = declaration.options;
  if (const auto mode = options.text("mode")) read.mode = parse_mode(*mode);
  read.user = options.text("user").value_or("");
  read.group = options.text("group").value_or("");
}

session::ProxyPeers parse_proxy_peers(const lua::Options& options) {
  const auto from = options.texts("from");
  if (!from) throw lua::Error("'proxy_protocol' needs 'from', the addresses of the proxies");
  session::ProxyPeers peers;
  for (const std::string& text : *from) {
    if (text == kUnixPeers) {
      peers.local = true;
      continue;
    }
    const auto network = net::parse_network(text);
    if (!network) options.fail("from", network.error().message);
    peers.networks.push_back(*network);
  }
  std::ranges::sort(peers.networks);
  const auto repeated = std::unique(peers.networks.begin(), peers.networks.end());
  peers.networks.erase(repeated, peers.networks.end());
  return peers;
}

// A list that no peer of this listener can be on would let everybody in without a header.
void check_proxy_peers(const session::ProxyPeers& peers, const session::ListenWhere& where) {
  const auto* address = std::get_if<net::Address>(&where);
  if (address == nullptr) return;
  if (address->is_unix() && !peers.local) {
    throw lua::Error("bad 'from' value (the peers of a unix socket are called 'unix')");
  }
  if (address->is_tcp() && peers.networks.empty()) {
    throw lua::Error("bad 'from' value (an address expected: no peer of this listener is 'unix')");
  }
}

void read_proxy_protocol(lua_State* L, const lua::Options& options,
                         session::ListenerDeclaration& declaration) {
  if (!options.push_table("proxy_protocol")) return;
  const lua::Options inner{L, lua_gettop(L), "proxy_protocol option", kProxyOptions};
  declaration.options.proxy_peers = parse_proxy_peers(inner);
  lua_pop(L, 1);
  check_proxy_peers(declaration.options.proxy_peers, declaration.where);
}

net::Endpoint read_server(lua_State* L, const lua::Options& options) {
  if (const auto* object = lua::Class<AddressObject>::test(L, lua_gettop(L))) {
    return object->address;
  }
  if (lua_type(L, -1) != LUA_TSTRING) {
    options.fail("like", "a cluster, an address or a list of addresses expected");
  }
  auto server = net::parse_endpoint(lua::text_at(L, -1), default_port(session::Protocol::Mysql));
  if (!server) options.fail("like", server.error().message);
  return *std::move(server);
}

// The servers to look like: a cluster's, one, or a list.
void read_like(lua_State* L, int table, const lua::Options& options,
               session::ListenerOptions& read) {
  std::vector<net::Endpoint>& servers = read.like;
  lua_getfield(L, table, "like");
  if (const auto* object = lua::Class<ClusterObject>::test(L, lua_gettop(L))) {
    read.like_cluster = object->cluster;
  } else if (lua_istable(L, -1)) {
    const int list = lua_gettop(L);
    for (lua_rawgeti(L, list, 1); !lua_isnil(L, -1);
         lua_rawgeti(L, list, static_cast<int>(servers.size() + 1))) {
      servers.push_back(read_server(L, options));
      lua_pop(L, 1);
    }
    if (servers.empty()) options.fail("like", "at least one address expected");
    lua_pop(L, 1);
  } else if (!lua_isnil(L, -1)) {
    servers.push_back(read_server(L, options));
  }
  lua_pop(L, 1);
}

void check_option_key(std::string_view key, const Dialect& dialect) {
  if (contains(kOptions, key) && !contains(dialect.options, key)) fail_here(key, dialect);
}

void read_statement_options(const lua::Options& options, session::ListenerOptions& read) {
  read.server_version = options.text("server_version").value_or("");
  read.max_query = options.size("max_query").value_or(read.max_query);
  read.allow_cleartext = options.boolean("allow_cleartext").value_or(false);
}

void read_options(lua_State* L, int index, const Dialect& dialect,
                  session::ListenerDeclaration& declaration) {
  declaration.options.tls = read_listener_tls(L, index, dialect.protocol);
  if (lua_isnoneornil(L, index)) return;
  lua::check_table(L, index);
  lua::for_each_key(L, index, "option",
                    [&dialect](std::string_view key) { check_option_key(key, dialect); });
  const lua::Options options{L, index, "option", dialect.options};
  read_unix_options(options, declaration);
  read_proxy_protocol(L, options, declaration);
  session::ListenerOptions& read = declaration.options;
  if (const auto backlog = options.integer("backlog", std::numeric_limits<int>::max())) {
    read.backlog = static_cast<int>(*backlog);
  }
  read.max_connections =
      options.integer("max_connections", std::numeric_limits<std::uint32_t>::max()).value_or(0);
  read.handshake_timeout = options.duration("handshake_timeout").value_or(read.handshake_timeout);
  read.idle_timeout = options.duration("idle_timeout").value_or(read.idle_timeout);
  if (dialect.protocol == session::Protocol::Mysql) read_like(L, index, options, read);
  if (dialect.protocol != session::Protocol::Tcp) read_statement_options(options, read);
}

// The logs that a listener's clients have at first.
session::LogList read_listener_logs(lua_State* L, int index, session::ListenerDeclaration& into) {
  if (!lua_istable(L, index)) return nullptr;
  lua_getfield(L, index, "log");
  session::LogList logs = read_logs(L, lua_gettop(L));
  lua_pop(L, 1);
  if (!logs) return logs;
  for (const auto& log : *logs) into.options.logs.push_back(log->options);
  return logs;
}

int listen(lua_State* L, const Dialect& dialect) {
  session::ListenerDeclaration declaration;
  declaration.protocol = dialect.protocol;
  read_where(L, 1, declaration);
  declaration.callbacks = check_handler(L, 2, dialect);
  read_options(L, 3, dialect, declaration);
  session::LogList logs = read_listener_logs(L, 3, declaration);
  Handler handler = make_handler(L, 2);
  handler.logs = std::move(logs);
  Host::of(L).add_listener(std::move(declaration), handler);
  return 0;
}

}  // namespace

int mysql_listen(lua_State* L) {
  check_is_loading(L, "mysql_listen");
  return listen(L, kMysql);
}

int pgsql_listen(lua_State* L) {
  check_is_loading(L, "pgsql_listen");
  return listen(L, kPgsql);
}

int tcp_listen(lua_State* L) {
  check_is_loading(L, "tcp_listen");
  return listen(L, kTcp);
}

}  // namespace perilune::script
