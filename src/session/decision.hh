#pragma once

// session: what every protocol's session is made of: decisions, hooks, the pump. No protocol, no
// Lua.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "auth/mysql_methods.hh"
#include "cluster/cluster.hh"
#include "net/address.hh"
#include "net/tls_context.hh"
#include "util/clock.hh"
#include "util/value.hh"

namespace perilune::session {

// What the client said of itself when it logged in; `attributes` are MySQL's connect attributes or
// PostgreSQL's start-up parameters besides user and database, in the order of the wire.
struct Login {
  std::string user;
  std::string database;
  std::vector<std::pair<std::string, std::string>> attributes;
  bool change = false;  // COM_CHANGE_USER
};

// Go on with what was asked.
struct Proceed {};

// Answer with an error instead. Empty or absent parts mean the protocol's usual ones.
struct Refuse {
  std::string message;
  std::optional<std::uint16_t> code;
  std::string sqlstate;
  bool is_failure = false;  // nobody decided so: the callback has failed
};

using Target = net::Endpoint;

// Whether a server is told who the client is, by which version of the PROXY protocol.
enum class SendProxy : std::uint8_t { No, V1, V2 };

// TLS to a server.
struct ServerTls {
  using Mode = net::TlsMode;
  Mode mode = Mode::Disable;
  std::shared_ptr<net::TlsClient> client;  // unless disabled
  std::string server_name;                 // to send and to verify; empty: the target's
};

// Log in to a server. Without credentials the client's own login is passed through.
struct ConnectTo {
  Target target;                              // of a cluster: its node, once one is chosen
  std::vector<net::Address> addresses;        // the target's, where they are known already
  std::shared_ptr<cluster::Cluster> cluster;  // null: the target is all there is
  cluster::Wish wish;
  unsigned retry = 2;  // other nodes that are tried
  Login login;
  auth::Credentials credentials;
  ServerTls tls;
  Millis connect_timeout{5000};  // for resolving and connecting together
  SendProxy send_proxy = SendProxy::No;
  std::vector<Target> mirror;  // who gets copies of what the client sends

  bool has_credentials() const noexcept {
    return credentials.password || credentials.password_sha1;
  }
};

// What it takes to log in once more as a session has logged in, where the script gave credentials
// or a challenge of the client has brought some.
struct KnownLogin {
  std::string user;
  auth::Credentials credentials;
  ServerTls tls;  // server_name: the present server's
  Millis connect_timeout{};
  SendProxy send_proxy = SendProxy::No;
};

// Give what the client sends to each of the targets, over a connection of its own.
struct FanOut {
  enum class OnFailure : std::uint8_t { Close, Continue };
  std::vector<Target> targets;  // at least one
  OnFailure on_failure = OnFailure::Close;
  std::optional<std::size_t> reply_from;  // whose bytes go back to the client; none: nobody's
  ServerTls tls;
  Millis connect_timeout{5000};
  SendProxy send_proxy = SendProxy::No;
};

// Log in here: there is no server, and the script answers the statements.
struct Serve {};

using Decision = std::variant<Proceed, Refuse, ConnectTo, Serve, FanOut>;

// --- statements

// What on_query is asked about.
enum class StatementKind : std::uint8_t {
  Query,    // a text that is run at once
  Prepare,  // a text that is run later, maybe often
  Command,  // what has an effect and no text of the client's
};

// Forward this text instead.
struct SendInstead {
  std::string text;
};

// Forward a change to this database instead.
struct UseDatabase {
  std::string name;
};

// Answer with success.
struct Succeed {
  std::uint64_t affected_rows = 0;
};

// Answer with these rows. Texts are the script's bytes.
struct ResultTable {
  std::vector<std::string> columns;
  std::vector<std::vector<Value>> rows;  // each as long as columns
};

// What the script says to a statement or a change of the database. Tables are shared: a script may
// return the same one again and again.
using StatementDecision = std::variant<Proceed, Refuse, SendInstead, UseDatabase, Succeed,
                                       std::shared_ptr<const ResultTable>>;

}  // namespace perilune::session
