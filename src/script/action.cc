#include "script/action.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "lua/class.hh"
#include "lua/options.hh"
#include "script/address.hh"
#include "script/hooks.hh"
#include "script/later.hh"
#include "script/login.hh"
#include "script/tls.hh"
#include "util/suggest.hh"

namespace perilune::script {

namespace {

using Actions = lua::Class<Action>;

constexpr std::size_t kSqlStateSize = 5;

// What connect() takes of its options in this version; the last is there to be refused.
constexpr std::array<std::string_view, 8> kConnectOptions{
    "connect_timeout", "key", "read_only", "retry", "send_proxy", "tls", "unchecked", "mirror"};

// …and where nobody logs in; the last ones are there to be refused.
constexpr std::array<std::string_view, 8> kTcpConnectOptions{
    "connect_timeout", "send_proxy", "tls", "key", "mirror", "read_only", "retry", "unchecked"};
constexpr std::array<std::string_view, 4> kTcpLater{"key", "mirror", "read_only", "retry"};

session::Target check_target(lua_State* L, int index, session::Protocol protocol) {
  if (const auto* object = lua::Class<AddressObject>::test(L, index)) return object->address;
  if (lua_type(L, index) != LUA_TSTRING) lua::fail_type(L, index, "SocketAddress");
  auto endpoint = net::parse_endpoint(lua::text_at(L, index), default_port(protocol));
  if (!endpoint) throw lua::ArgumentError(index, endpoint.error().message);
  return *std::move(endpoint);
}

session::SendProxy read_send_proxy(const lua::Options& options) {
  const auto version = options.text("send_proxy");
  if (!version) return session::SendProxy::No;
  if (*version == "v1") return session::SendProxy::V1;
  if (*version == "v2") return session::SendProxy::V2;
  throw lua::Error("bad 'send_proxy' value ('v1' or 'v2' expected)");
}

void read_reaching_options(lua_State* L, int index, const lua::Options& options,
                           session::Protocol protocol, ConnectAction& action) {
  action.tls = read_server_tls(L, index, protocol);
  action.send_proxy = read_send_proxy(options);
  if (const auto timeout = options.duration("connect_timeout")) action.connect_timeout = *timeout;
}

// Options that only matter with clusters are checked, so that a script may already say them.
void read_connect_options(lua_State* L, int index, ConnectAction& action) {
  if (lua_isnoneornil(L, index)) return;
  lua::check_table(L, index);
  const lua::Options options{L, index, "option", kConnectOptions};
  if (options.has("mirror")) fail_later("mirror");
  read_reaching_options(L, index, options, session::Protocol::Mysql, action);
  options.boolean("read_only");
  options.text("key");
  options.integer("retry", 100);
  action.unchecked = options.boolean("unchecked").value_or(false);
}

void read_tcp_connect_options(lua_State* L, int index, ConnectAction& action) {
  if (lua_isnoneornil(L, index)) return;
  lua::check_table(L, index);
  const lua::Options options{L, index, "option", kTcpConnectOptions};
  for (const std::string_view name : kTcpLater) {
    if (options.has(name)) fail_later(name);
  }
  if (options.has("unchecked")) {
    throw lua::Error("'unchecked' is not for tcp_listen: nobody logs in there");
  }
  read_reaching_options(L, index, options, session::Protocol::Tcp, action);
}

int push_tcp_connect_action(lua_State* L) {
  if (lua_gettop(L) > 3) {
    throw lua::Error("client:connect(target [, options]): with tcp_listen there is no login");
  }
  check_argument_count(L, 1, 2);
  ConnectAction action;
  action.target = check_target(L, 2, session::Protocol::Tcp);
  read_tcp_connect_options(L, 3, action);
  Actions::push(L, Action{std::move(action)});
  return 1;
}

void read_error_options(lua_State* L, int index, session::Refuse& refusal) {
  if (lua_isnoneornil(L, index)) return;
  constexpr std::array<std::string_view, 2> kNames{"code", "sqlstate"};
  lua::check_table(L, index);
  const lua::Options options{L, index, "option", kNames};
  if (const auto code = options.integer("code", 0xFFFF)) {
    if (*code == 0) throw lua::Error("bad 'code' value (0 means success)");
    refusal.code = static_cast<std::uint16_t>(*code);
  }
  refusal.sqlstate = options.text("sqlstate").value_or("");
  const bool fits =
      refusal.sqlstate.size() == kSqlStateSize && std::ranges::all_of(refusal.sqlstate, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
      });
  if (options.has("sqlstate") && !fits) {
    throw lua::Error("bad 'sqlstate' value (five digits and capital letters expected)");
  }
}

}  // namespace

session::ConnectTo ConnectAction::decision() const {
  session::ConnectTo decision;
  decision.target = target;
  decision.login = login;
  decision.credentials = auth::clone(credentials);
  decision.tls = tls;
  decision.connect_timeout = connect_timeout;
  decision.send_proxy = send_proxy;
  return decision;
}

void check_argument_count(lua_State* L, int least, int most) {
  const int count = lua_gettop(L) - 1;
  if (count < least || count > most) throw lua::Error("Invalid parameters");
}

void define_actions(lua_State* L) {
  Actions::define(L, [](lua_State*) {});
}

int push_error_action(lua_State* L) {
  check_argument_count(L, 0, 2);
  session::Refuse refusal;
  if (!lua_isnoneornil(L, 2)) refusal.message = lua::check_text(L, 2);
  read_error_options(L, 3, refusal);
  Actions::push(L, Action{std::move(refusal)});
  return 1;
}

int push_serve_action(lua_State* L) {
  check_argument_count(L, 0, 1);
  ServeAction action;
  if (!lua_isnoneornil(L, 2)) {
    constexpr std::array<std::string_view, 1> kNames{"unchecked"};
    lua::check_table(L, 2);
    const lua::Options options{L, 2, "option", kNames};
    action.unchecked = options.boolean("unchecked").value_or(false);
  }
  Actions::push(L, Action{action});
  return 1;
}

int push_connect_action(lua_State* L, const SessionHooks& hooks) {
  const session::Protocol protocol = hooks.session().listener().declaration.protocol;
  if (protocol == session::Protocol::Tcp) return push_tcp_connect_action(L);
  check_argument_count(L, 2, 3);
  ConnectAction action;
  action.target = check_target(L, 2, protocol);
  lua::check_table(L, 3);
  read_login(L, 3, hooks.login(), action);
  read_connect_options(L, 4, action);
  Actions::push(L, Action{std::move(action)});
  return 1;
}

}  // namespace perilune::script
