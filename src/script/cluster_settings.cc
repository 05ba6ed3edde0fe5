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
#include "script/tls.hh"
#include "util/suggest.hh"

namespace perilune::script {

namespace {

constexpr std::uint64_t kMaxWeight = 65535;
constexpr std::uint64_t kMaxProbes = 1000;

constexpr std::array<std::string_view, 4> kNodeOptions{"backup", "max_connections", "name",
                                                       "weight"};

constexpr std::array<std::string_view, 13> kDatabaseOptions{
    "balance", "database",     "disconnect_unavailable",
    "fall",    "interval",     "monitoring",
    "name",    "no_read_only", "password",
    "rise",    "timeout",      "tls",
    "user"};
constexpr std::array<std::string_view, 8> kTcpOptions{
    "balance", "disconnect_unavailable", "fall", "interval", "monitoring", "name", "rise",
    "timeout"};

// What says how to probe, and makes no sense without it.
constexpr std::array<std::string_view, 10> kProbeOptions{"database",     "disconnect_unavailable",
                                                         "fall",         "interval",
                                                         "no_read_only", "password",
                                                         "rise",         "timeout",
                                                         "tls",          "user"};
constexpr std::array<std::string_view, 4> kLoginOptions{"database", "no_read_only", "password",
                                                        "tls"};

bool contains(std::span<const std::string_view> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

net::Endpoint read_endpoint(lua_State* L, int index, session::Protocol protocol) {
  if (const auto* object = lua::Class<AddressObject>::test(L, index)) return object->address;
  if (lua_type(L, index) != LUA_TSTRING) {
    throw lua::Error(
        fmt::format("a node is an address or {{address, …}}, not a {}", luaL_typename(L, index)));
  }
  auto endpoint = net::parse_endpoint(lua::text_at(L, index), default_port(protocol));
  if (!endpoint) throw lua::Error(endpoint.error().message);
  return *std::move(endpoint);
}

// Pushes the table at this index without its first element.
void push_named_fields(lua_State* L, int table) {
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
    if (lua_type(L, -2) == LUA_TNUMBER && lua_tonumber(L, -2) == 1) continue;
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, -5);
  }
}

void read_node_options(lua_State* L, int table, cluster::NodeSettings& node) {
  push_named_fields(L, table);
  const lua::Options options{L, lua_gettop(L), "node option", kNodeOptions};
  node.name = options.text("name").value_or("");
  node.backup = options.boolean("backup").value_or(false);
  const auto weight = options.integer("weight", kMaxWeight).value_or(1);
  if (weight == 0) options.fail("weight", "at least 1 expected; drain(node) sends nobody there");
  node.weight = static_cast<std::uint32_t>(weight);
  node.max_connections =
      options.integer("max_connections", std::numeric_limits<std::uint32_t>::max()).value_or(0);
  lua_pop(L, 1);
}

cluster::NodeSettings read_node(lua_State* L, int index, session::Protocol protocol) {
  cluster::NodeSettings node;
  if (!lua_istable(L, index)) {
    node.endpoint = read_endpoint(L, index, protocol);
    return node;
  }
  lua_rawgeti(L, index, 1);
  node.endpoint = read_endpoint(L, lua_gettop(L), protocol);
  lua_pop(L, 1);
  read_node_options(L, index, node);
  return node;
}

void check_keys_are_numbers(lua_State* L, int table) {
  for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TNUMBER) throw lua::Error("Key is not a number");
  }
}

void check_is_new(const std::vector<cluster::NodeSettings>& nodes,
                  const cluster::NodeSettings& node) {
  for (const auto& other : nodes) {
    if (other.endpoint == node.endpoint) {
      throw lua::Error(net::text_of(node.endpoint) + " is listed twice");
    }
    if (!node.name.empty() && other.name == node.name) {
      throw lua::Error("two nodes are called " + node.name);
    }
  }
}

// --- options

const cluster::Policy& parse_policy(const lua::Options& options, std::string_view name) {
  if (const cluster::Policy* const policy = cluster::find_policy(name)) return *policy;
  options.fail("balance", unknown_name("policy", name, cluster::policy_names()));
}

void read_balance(lua_State* L, int table, const lua::Options& options,
                  cluster::Settings& settings) {
  lua_getfield(L, table, "balance");
  settings.by_function = lua_isfunction(L, -1);
  if (!settings.by_function && !lua_isnil(L, -1)) {
    if (lua_type(L, -1) != LUA_TSTRING) options.fail("balance", "a policy or a function expected");
    settings.policy = &parse_policy(options, lua::text_at(L, -1));
  }
  lua_pop(L, 1);
}

// As myproxy does, what would have no effect is refused.
void check_combination(const lua::Options& options) {
  const bool monitoring = options.boolean("monitoring").value_or(false);
  for (const std::string_view name : kProbeOptions) {
    if (!monitoring && options.has(name)) {
      throw lua::Error(fmt::format("'{}' needs 'monitoring'", name));
    }
  }
  for (const std::string_view name : kLoginOptions) {
    if (!options.has("user") && options.has(name)) {
      throw lua::Error(fmt::format("'{}' needs 'user'", name));
    }
  }
}

unsigned read_count(const lua::Options& options, std::string_view name, unsigned usual) {
  const auto count = options.integer(name, kMaxProbes).value_or(usual);
  if (count == 0) options.fail(name, "at least 1 expected");
  return static_cast<unsigned>(count);
}

Millis read_time(const lua::Options& options, std::string_view name, Millis usual) {
  const Millis time = options.duration(name).value_or(usual);
  if (time <= Millis{}) options.fail(name, "more than 0 expected");
  return time;
}

auth::Secret take_secret(std::string& text) {
  auth::Secret secret{text};
  auth::wipe({reinterpret_cast<std::byte*>(text.data()), text.size()});
  return secret;
}

cluster::ProbeSettings read_probe(lua_State* L, int table, const lua::Options& options,
                                  session::Protocol protocol) {
  cluster::ProbeSettings probe;
  probe.user = options.text("user").value_or("");
  if (options.has("user") && probe.user.empty()) options.fail("user", "it is empty");
  if (auto password = options.text("password")) probe.password = take_secret(*password);
  probe.database = options.text("database").value_or("");
  probe.tls = read_tls_wish(L, table, protocol);
  probe.no_read_only = options.boolean("no_read_only").value_or(false);
  probe.interval = read_time(options, "interval", probe.interval);
  probe.timeout = read_time(options, "timeout", probe.timeout);
  probe.rise = read_count(options, "rise", probe.rise);
  probe.fall = read_count(options, "fall", probe.fall);
  return probe;
}

void check_option_names(lua_State* L, int table, session::Protocol protocol) {
  if (protocol != session::Protocol::Tcp) return;
  lua::for_each_key(L, table, "option", [protocol](std::string_view key) {
    if (!contains(kDatabaseOptions, key) || contains(kTcpOptions, key)) return;
    throw lua::Error(fmt::format("'{}' is not for {}_cluster", key, session::name_of(protocol)));
  });
}

void read_options(lua_State* L, int index, session::Protocol protocol,
                  cluster::Settings& settings) {
  if (lua_isnoneornil(L, index)) return;
  lua::check_table(L, index);
  check_option_names(L, index, protocol);
  using Names = std::span<const std::string_view>;
  const bool is_tcp = protocol == session::Protocol::Tcp;
  const lua::Options options{L, index, "option",
                             is_tcp ? Names{kTcpOptions} : Names{kDatabaseOptions}};
  check_combination(options);
  read_balance(L, index, options, settings);
  if (options.boolean("monitoring").value_or(false)) {
    settings.monitoring = read_probe(L, index, options, protocol);
  }
  settings.disconnect_unavailable = options.boolean("disconnect_unavailable").value_or(false);
  settings.name = options.text("name").value_or("");
}

// "127.0.0.2:3306,127.0.0.3:3306"
std::string name_after(const std::vector<cluster::NodeSettings>& nodes) {
  std::string name;
  for (const auto& node : nodes) {
    if (!name.empty()) name += ',';
    name += net::text_of(node.endpoint);
  }
  return name;
}

}  // namespace

std::vector<cluster::NodeSettings> read_nodes(lua_State* L, int index, session::Protocol protocol) {
  lua::check_table(L, index);
  check_keys_are_numbers(L, index);
  std::vector<cluster::NodeSettings> nodes;
  for (lua_rawgeti(L, index, 1); !lua_isnil(L, -1);
       lua_rawgeti(L, index, static_cast<int>(nodes.size() + 1))) {
    auto node = read_node(L, lua_gettop(L), protocol);
    check_is_new(nodes, node);
    nodes.push_back(std::move(node));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  if (nodes.empty()) throw lua::Error("Cluster is empty");
  return nodes;
}

cluster::Settings read_cluster(lua_State* L, session::Protocol protocol) {
  cluster::Settings settings;
  settings.protocol = session::name_of(protocol);
  settings.nodes = read_nodes(L, 1, protocol);
  read_options(L, 2, protocol, settings);
  if (settings.name.empty()) settings.name = name_after(settings.nodes);
  return settings;
}

}  // namespace perilune::script
