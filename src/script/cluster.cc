#include "script/cluster.hh"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "lua/class.hh"
#include "lua/options.hh"
#include "script/action.hh"
#include "script/address.hh"
#include "script/host.hh"
#include "session/directory.hh"

namespace perilune::script {

namespace {

using Clusters = lua::Class<ClusterObject>;

cluster::Cluster& check_cluster(lua_State* L) { return *Clusters::check(L, 1).cluster; }

void set_number(lua_State* L, const char* name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

void set_text(lua_State* L, const char* name, const std::string& text) {
  if (text.empty()) return;
  lua::push_text(L, text);
  lua_setfield(L, -2, name);
}

void push_node(lua_State* L, const cluster::Member& member) {
  const cluster::NodeStatus status = member.node->status();
  const std::chrono::duration<double> since = status.since.time_since_epoch();
  lua_newtable(L);
  set_text(L, "address", member.node->text());
  set_text(L, "name", member.settings.name);
  set_number(L, "weight", member.settings.weight);
  lua_pushboolean(L, member.settings.backup);
  lua_setfield(L, -2, "backup");
  set_text(L, "state", cluster::name_of(status.state));
  set_text(L, "reason", status.reason);
  set_number(L, "since", since.count());
  set_number(L, "sessions", static_cast<double>(member.node->sessions()));
  const std::uint64_t limit = member.settings.max_connections;
  if (limit > 0) set_number(L, "max_connections", static_cast<double>(limit));
}

// cluster:nodes() → rows
int nodes(lua_State* L) {
  push_nodes(L, *check_cluster(L).members());
  return 1;
}

// cluster:set_nodes{node, …}
int set_nodes(lua_State* L) {
  cluster::Cluster& cluster = check_cluster(L);
  check_argument_count(L, 1, 1);
  cluster.set_nodes(read_nodes(L, 2, protocol_of(cluster)));
  return 0;
}

std::shared_ptr<cluster::Node> check_node(lua_State* L, const cluster::Cluster& cluster) {
  const auto members = cluster.members();
  const auto* const member = find_node(L, 2, *members, protocol_of(cluster));
  if (member == nullptr) throw lua::Error("the cluster has no such node");
  return member->node;
}

bool wants_close(lua_State* L, int index) {
  if (lua_isnoneornil(L, index)) return false;
  constexpr std::array<std::string_view, 1> kNames{"close"};
  lua::check_table(L, index);
  return lua::Options{L, index, "option", kNames}.boolean("close").value_or(false);
}

// cluster:drain(node [, {close = true}])
int drain(lua_State* L) {
  cluster::Cluster& cluster = check_cluster(L);
  check_argument_count(L, 1, 2);
  const auto node = check_node(L, cluster);
  const bool close = wants_close(L, 3);
  cluster.drain(*node);
  const Host& host = Host::of(L);
  session::Directory* const directory = host.options().directory;
  if (close && directory != nullptr) directory->empty_node(node, host.settings().drain_timeout);
  return 0;
}

// cluster:enable(node)
int enable(lua_State* L) {
  cluster::Cluster& cluster = check_cluster(L);
  check_argument_count(L, 1, 1);
  cluster.enable(*check_node(L, cluster));
  return 0;
}

int text(lua_State* L) {
  lua::push_text(L, check_cluster(L).name());
  return 1;
}

constexpr lua::Function kMethods[] = {
    {"drain", lua::guarded<drain>},
    {"enable", lua::guarded<enable>},
    {"nodes", lua::guarded<nodes>},
    {"set_nodes", lua::guarded<set_nodes>},
};
constexpr lua::Function kEvents[] = {{"__tostring", lua::guarded<text>}};

int make_cluster(lua_State* L, session::Protocol protocol) {
  if (lua_gettop(L) > 2) throw lua::Error("Invalid parameters");
  cluster::Settings settings = read_cluster(L, protocol);
  const bool by_function = settings.by_function;
  Clusters::push(L, ClusterObject{Host::of(L).find_or_make_cluster(std::move(settings))});
  if (!by_function) return 1;
  lua_createtable(L, 1, 0);
  lua_getfield(L, 2, "balance");
  lua_rawseti(L, -2, 1);
  lua_setfenv(L, -2);
  return 1;
}

// The text of a node at the top of the stack.
const cluster::Member* find_by_text(std::string_view text, const cluster::Members& members,
                                    session::Protocol protocol) {
  const auto named = std::ranges::find_if(members, [text](const cluster::Member& member) {
    return !member.settings.name.empty() && member.settings.name == text;
  });
  if (named != members.end()) return &*named;
  const auto endpoint = net::parse_endpoint(text, default_port(protocol));
  if (!endpoint) return nullptr;
  const auto found = std::ranges::find_if(members, [&endpoint](const cluster::Member& member) {
    return member.settings.endpoint == *endpoint;
  });
  return found == members.end() ? nullptr : &*found;
}

}  // namespace

void push_nodes(lua_State* L, const cluster::Members& members) {
  lua_createtable(L, static_cast<int>(members.size()), 0);
  int index = 0;
  for (const cluster::Member& member : members) {
    push_node(L, member);
    lua_rawseti(L, -2, ++index);
  }
}

const cluster::Member* find_node(lua_State* L, int index, const cluster::Members& members,
                                 session::Protocol protocol) {
  std::string text;
  if (const auto* object = lua::Class<AddressObject>::test(L, index)) {
    text = object->address.text();
  } else if (lua_type(L, index) == LUA_TSTRING) {
    text = lua::text_at(L, index);
  } else if (lua_istable(L, index)) {
    lua_getfield(L, index, "address");
    if (lua_type(L, -1) == LUA_TSTRING) text = lua::text_at(L, -1);
    lua_pop(L, 1);
  }
  if (text.empty()) throw lua::Error("a node, its address or its name expected");
  return find_by_text(text, members, protocol);
}

session::Protocol protocol_of(const cluster::Cluster& cluster) noexcept {
  using session::Protocol;
  for (const Protocol protocol : {Protocol::Mysql, Protocol::Pgsql}) {
    if (cluster.settings().protocol == session::name_of(protocol)) return protocol;
  }
  return Protocol::Tcp;
}

void define_clusters(lua_State* L) {
  Clusters::define(L, [](lua_State* l) {
    lua::set_functions(l, kEvents);
    lua_newtable(l);
    lua::set_functions(l, kMethods);
    lua_setfield(l, -2, "__index");
  });
}

int mysql_cluster(lua_State* L) { return make_cluster(L, session::Protocol::Mysql); }
int pgsql_cluster(lua_State* L) { return make_cluster(L, session::Protocol::Pgsql); }
int tcp_cluster(lua_State* L) { return make_cluster(L, session::Protocol::Tcp); }

}  // namespace perilune::script
