#pragma once

#include <memory>

#include "cluster/cluster.hh"
#include "lua/api.hh"
#include "session/declaration.hh"

namespace perilune::script {

// What mysql_cluster(…) returns. Its environment holds the script's function for `balance`, if it
// is one, at [1].
struct ClusterObject {
  static constexpr const char* kClassName = "Cluster";
  std::shared_ptr<cluster::Cluster> cluster;
};

// Once a state: defines the class.
void define_clusters(lua_State* L);

// mysql_cluster({node, …} [, options]) → cluster
int mysql_cluster(lua_State* L);
int pgsql_cluster(lua_State* L);
int tcp_cluster(lua_State* L);

// What they are given at 1 and 2. Throws lua::Error.
cluster::Settings read_cluster(lua_State* L, session::Protocol protocol);
// A list of nodes, as there and in set_nodes{…}.
std::vector<cluster::NodeSettings> read_nodes(lua_State* L, int index, session::Protocol protocol);

// A list of rows, as cluster:nodes() and a function for `balance` see it.
void push_nodes(lua_State* L, const cluster::Members& members);
// The member that is meant by a row of such a list, an address, its text, or a name; null: none.
// Throws lua::Error for values that can mean no node.
const cluster::Member* find_node(lua_State* L, int index, const cluster::Members& members,
                                 session::Protocol protocol);

session::Protocol protocol_of(const cluster::Cluster& cluster) noexcept;

}  // namespace perilune::script
