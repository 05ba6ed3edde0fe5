#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "auth/secret.hh"
#include "cluster/policies.hh"
#include "net/address.hh"
#include "net/tls_context.hh"
#include "util/clock.hh"

namespace perilune::cluster {

// One entry of a cluster's list of nodes.
struct NodeSettings {
  net::Endpoint endpoint;
  std::string name;  // empty: none
  std::uint32_t weight = 1;
  bool backup = false;                // only used when no other one can be
  std::uint64_t max_connections = 0;  // of all sessions of this process; zero: no limit
  bool operator==(const NodeSettings&) const = default;
};

// How nodes are probed.
struct ProbeSettings {
  std::string user;  // empty: nobody logs in
  std::optional<auth::Secret> password;
  std::string database;
  net::TlsWish tls;       // of the login
  Millis interval{2000};  // from the end of one probe to the next
  Millis timeout{1000};   // for the whole of one
  unsigned rise = 2;
  unsigned fall = 2;
  bool no_read_only = false;  // a server that is read-only is another state
};

// What mysql_cluster(…) and its like are given.
struct Settings {
  std::string protocol;  // "mysql": what the functions of the script begin with
  std::string name;      // for messages
  std::vector<NodeSettings> nodes;
  const Policy* policy = &policies().front();
  bool by_function = false;  // the script chooses; the policy, where it does not
  std::optional<ProbeSettings> monitoring;
  bool disconnect_unavailable = false;
};

// Whether two scripts mean the same cluster.
bool is_same(const Settings& one, const Settings& other) noexcept;

}  // namespace perilune::cluster
