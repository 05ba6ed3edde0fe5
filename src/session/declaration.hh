#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "log/query_log_options.hh"
#include "net/address.hh"
#include "net/datagram.hh"
#include "net/listener.hh"
#include "net/network.hh"
#include "net/tls_context.hh"
#include "util/clock.hh"

namespace perilune::cluster {
class Cluster;
}

namespace perilune::session {

enum class Protocol : std::uint8_t { Mysql, Pgsql, Tcp };

// "mysql": what the functions of the script begin with.
const char* name_of(Protocol protocol) noexcept;

// Every socket that systemd passed, or those of one FileDescriptorName.
struct SystemdSockets {
  std::string name;  // empty: all
  bool operator==(const SystemdSockets&) const = default;
};

// '*:3306' is an Address with is_any_family() (both families).
using ListenWhere = std::variant<net::Address, SystemdSockets>;

// The peers that must begin with a header of the PROXY protocol. From all others none is taken.
struct ProxyPeers {
  std::vector<net::Network> networks;  // sorted, each once
  bool local = false;                  // whoever connects to a unix socket
  bool contains(const net::Address& peer) const noexcept;
  bool operator==(const ProxyPeers&) const = default;
};

// The `tls` option of a listener.
struct ListenerTls {
  enum class Certificate : std::uint8_t {
    Automatic,  // one that is made at start
    Files,
    None,  // no TLS
  };
  Certificate certificate = Certificate::Automatic;
  net::TlsServerOptions files;
  bool required = false;  // not of clients that come over a unix socket; tcp: always, of all
  bool operator==(const ListenerTls&) const = default;
};

// The options table of a listener; what changes here is applied in place by a reload.
struct ListenerOptions {
  std::optional<std::uint32_t> mode;  // of a unix socket; 0666 by default
  std::string user, group;            // owner of a unix socket; empty: unchanged
  int backlog = 1024;
  std::uint64_t max_connections = 0;  // 0: no limit
  Millis handshake_timeout{10000};    // until the command phase; the script's waiting excluded
  Millis idle_timeout{0};             // 0: none
  std::string server_version;         // announced; empty: that of `like`
  std::vector<net::Endpoint> like;    // announce what these are; empty: the protocol's default…
  std::shared_ptr<const cluster::Cluster> like_cluster;  // …or a cluster's nodes; null: none's
  ProxyPeers proxy_peers;
  ListenerTls tls;
  std::uint64_t max_query = 16ULL << 20;  // bytes of a statement's text that a callback sees
  bool allow_cleartext = false;  // passwords may come readable over plain connections
  std::vector<log::QueryLogOptions> logs;  // where statements go unless the script says otherwise
  bool operator==(const ListenerOptions&) const = default;
};

// One call of mysql_listen and its like.
struct ListenerDeclaration {
  Protocol protocol = Protocol::Mysql;
  ListenWhere where;
  ListenerOptions options;
  std::vector<std::string> callbacks;  // names, sorted
  std::string label;                   // where it listens, as the script wrote it: for messages
  bool operator==(const ListenerDeclaration&) const = default;
};

// One call of control_listen. Options that only say who may send are applied in place by a reload.
struct ControlDeclaration {
  net::Address where;
  net::DatagramOptions socket;
  std::optional<std::vector<std::uint32_t>> allow_uids;  // sorted, each once; unix only
  std::optional<std::vector<net::Network>> from;         // the same for the others
  std::string label;                                     // as in ListenerDeclaration

  bool has_socket_of(const ControlDeclaration& other) const noexcept {
    return where == other.where && socket == other.socket;
  }
  bool operator==(const ControlDeclaration&) const = default;
};

// One call of prometheus_listen or admin_listen. All but the address is applied in place by a
// reload.
struct HttpDeclaration {
  enum class Service : std::uint8_t { Metrics, Admin };
  Service service = Service::Metrics;
  net::Address where;
  net::FileRights rights;  // of a unix socket
  std::string token_file;  // what clients must know is in there; empty: nothing. Admin only
  std::string label;       // as in ListenerDeclaration
  bool operator==(const HttpDeclaration&) const = default;
};

// "prometheus_listen": the function of the script.
const char* name_of(HttpDeclaration::Service service) noexcept;

// settings{…}
struct ScriptSettings {
  std::optional<unsigned> workers;
  Millis drain_timeout{30000};
  Millis callback_timeout{10000};
  Millis callback_cpu_limit{1000};
  Millis load_timeout{30000};
  std::uint64_t script_memory = 256ULL << 20;  // bytes for one worker's Lua state
  std::uint64_t memory_limit = 1ULL << 30;     // bytes of statements gathered in all sessions
  bool populate_io_buffers = false;
  bool operator==(const ScriptSettings&) const = default;
};

// What one run of the script declared; two workers' must be the same.
struct Declaration {
  std::vector<ListenerDeclaration> listeners;  // in the script's order; compared as a set
  std::vector<ControlDeclaration> controls;    // likewise
  std::vector<HttpDeclaration> https;          // likewise
  // Likewise; the same one is the same object.
  std::vector<std::shared_ptr<cluster::Cluster>> clusters;
  std::vector<log::QueryLogOptions> logs;  // likewise
  ScriptSettings settings;
  bool uses_myproxy_names = false;  // on_handshake_response: one worker by default

  bool has(HttpDeclaration::Service service) const noexcept;

  // nullopt if both declare the same, else the first difference in words.
  std::optional<std::string> difference(const Declaration& other) const;
};

}  // namespace perilune::session
