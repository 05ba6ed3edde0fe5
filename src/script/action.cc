#include "script/action.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "lua/class.hh"
#include "lua/options.hh"
#include "script/address.hh"
#include "script/cluster.hh"
#include "script/hooks.hh"
#include "script/later.hh"
#include "script/login.hh"
#include "script/tls.hh"
#include "util/suggest.hh"

namespace perilune::script {

namespace {

using Actions = lua::Class<Action>;

constexpr std::size_t kSqlStateSize = 5;
constexpr std::uint64_t kMaxRetry = 100;

// What connect() takes of its options.
constexpr std::array<std::string_view, 8> kConnectOptions{
    "connect_timeout", "key", "mirror", "read_only", "retry", "send_proxy", "tls", "unchecked"};

// …and where nobody logs in; the last ones are there to be refused.
constexpr std::array<std::string_view, 8> kTcpConnectOptions{
    "connect_timeout", "key", "mirror", "retry", "send_proxy", "tls", "read_only", "unchecked"};

constexpr std::array<std::string_view, 5> kFanoutOptions{"connect_timeout", "on_failure",
                                                         "reply_from", "send_proxy", "tls"};

void check_protocol(int index, const cluster::Cluster& cluster, session::Protocol protocol) {
  if (protocol_of(cluster) == protocol) return;
  throw lua::ArgumentError(
      index, fmt::format("a {}_cluster is not for {}_listen", cluster.settings().protocol,
                         session::name_of(protocol)));
}

session::Target check_address(lua_State* L, int index, session::Protocol protocol) {
  if (const auto* object = lua::Class<AddressObject>::test(L, index)) return object->address;
  if (lua_type(L, index) != LUA_TSTRING) lua::fail_type(L, index, "SocketAddress");
  auto endpoint = net::parse_endpoint(lua::text_at(L, index), default_port(protocol));
  if (!endpoint) throw lua::ArgumentError(index, endpoint.error().message);
  return *std::move(endpoint);
}

void check_target(lua_State* L, int index, session::Protocol protocol, ConnectAction& action) {
  if (const auto* object = lua::Class<ClusterObject>::test(L, index)) {
    check_protocol(index, *object->cluster, protocol);
    action.cluster = object->cluster;
  } else {
    action.target = check_address(L, index, protocol);
  }
}

// A list of them, where every port must be there.
std::vector<session::Target> check_targets(lua_State* L, int list) {
  std::vector<session::Target> targets;
  for (lua_pushnil(L); lua_next(L, list) != 0; lua_pop(L, 1)) {
    // With other keys it is no list.
    const auto number = static_cast<int>(targets.size() + 1);
    lua_rawgeti(L, list, number);
    try {
      targets.push_back(check_address(L, lua_gettop(L), session::Protocol::Tcp));
    } catch (const lua::ArgumentError& error) {
      throw lua::Error(fmt::format("bad target {} ({})", number, error.what()));
    }
    lua_pop(L, 1);
  }
  return targets;
}

std::vector<session::Target> read_mirror(lua_State* L, const lua::Options& options) {
  if (!options.push_table("mirror")) return {};
  auto targets = check_targets(L, lua_gettop(L));
  lua_pop(L, 1);
  return targets;
}

session::SendProxy read_send_proxy(const lua::Options& options) {
  const auto version = options.text("send_proxy");
  if (!version) return session::SendProxy::No;
  if (*version == "v1") return session::SendProxy::V1;
  if (*version == "v2") return session::SendProxy::V2;
  throw lua::Error("bad 'send_proxy' value ('v1' or 'v2' expected)");
}

// Into a ConnectAction or a FanOut.
template <typename Wish>
void read_reaching_options(lua_State* L, int index, const lua::Options& options,
                           session::Protocol protocol, Wish& action) {
  action.tls = read_server_tls(L, index, protocol);
  action.send_proxy = read_send_proxy(options);
  if (const auto timeout = options.duration("connect_timeout")) action.connect_timeout = *timeout;
}

// What counts for clusters.
void read_choice_options(const lua::Options& options, ConnectAction& action) {
  action.key = options.text("key");
  const auto retry = options.integer("retry", kMaxRetry).value_or(action.retry);
  action.retry = static_cast<unsigned>(retry);
}

void read_connect_options(lua_State* L, int index, ConnectAction& action) {
  if (lua_isnoneornil(L, index)) return;
  lua::check_table(L, index);
  const lua::Options options{L, index, "option", kConnectOptions};
  action.mirror = read_mirror(L, options);
  read_reaching_options(L, index, options, session::Protocol::Mysql, action);
  read_choice_options(options, action);
  action.read_only = options.boolean("read_only").value_or(false);
  action.unchecked = options.boolean("unchecked").value_or(false);
}

void read_tcp_connect_options(lua_State* L, int index, ConnectAction& action) {
  if (lua_isnoneornil(L, index)) return;
  lua::check_table(L, index);
  const lua::Options options{L, index, "option", kTcpConnectOptions};
  if (options.has("read_only")) {
    throw lua::Error("'read_only' is not for tcp_listen: nobody asks servers there what they are");
  }
  if (options.has("unchecked")) {
    throw lua::Error("'unchecked' is not for tcp_listen: nobody logs in there");
  }
  action.mirror = read_mirror(L, options);
  read_reaching_options(L, index, options, session::Protocol::Tcp, action);
  read_choice_options(options, action);
}

session::FanOut::OnFailure read_on_failure(const lua::Options& options) {
  const auto word = options.text("on_failure");
  if (!word || *word == "close") return session::FanOut::OnFailure::Close;
  if (*word == "continue") return session::FanOut::OnFailure::Continue;
  throw lua::Error("bad 'on_failure' value ('close' or 'continue' expected)");
}

std::optional<std::size_t> read_reply_from(const lua::Options& options, std::size_t targets) {
  const auto number = options.integer("reply_from", targets);
  if (!number) return std::nullopt;
  if (*number == 0) throw lua::Error("bad 'reply_from' value (targets count from 1)");
  return *number - 1;
}

void read_fanout_options(lua_State* L, int index, session::FanOut& action) {
  if (lua_isnoneornil(L, index)) return;
  lua::check_table(L, index);
  const lua::Options options{L, index, "option", kFanoutOptions};
  action.on_failure = read_on_failure(options);
  action.reply_from = read_reply_from(options, action.targets.size());
  read_reaching_options(L, index, options, session::Protocol::Tcp, action);
}

// The target is at 2. The action keeps the function of a cluster as the cluster does.
int push_connect(lua_State* L, ConnectAction action) {
  const bool by_function = action.cluster && action.cluster->settings().by_function;
  Actions::push(L, Action{std::move(action)});
  if (!by_function) return 1;
  lua_getfenv(L, 2);
  lua_setfenv(L, -2);
  return 1;
}

int push_tcp_connect_action(lua_State* L) {
  if (lua_gettop(L) > 3) {
    throw lua::Error("client:connect(target [, options]): with tcp_listen there is no login");
  }
  check_argument_count(L, 1, 2);
  ConnectAction action;
  check_target(L, 2, session::Protocol::Tcp, action);
  read_tcp_connect_options(L, 3, action);
  return push_connect(L, std::move(action));
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
  decision.cluster = cluster;
  decision.retry = retry;
  decision.login = login;
  decision.credentials = auth::clone(credentials);
  decision.tls = tls;
  decision.connect_timeout = connect_timeout;
  decision.send_proxy = send_proxy;
  decision.mirror = mirror;
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

int push_fanout_action(lua_State* L) {
  check_argument_count(L, 1, 2);
  lua::check_table(L, 2);
  session::FanOut action;
  action.targets = check_targets(L, 2);
  if (action.targets.empty()) throw lua::ArgumentError(2, "at least one target expected");
  read_fanout_options(L, 3, action);
  Actions::push(L, Action{std::move(action)});
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
  check_target(L, 2, protocol, action);
  lua::check_table(L, 3);
  read_login(L, 3, hooks.login(), action);
  read_connect_options(L, 4, action);
  return push_connect(L, std::move(action));
}

}  // namespace perilune::script
