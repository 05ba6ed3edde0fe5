#pragma once

// session: what every protocol's session is made of: decisions, hooks, the pump. No protocol, no
// Lua.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "auth/mysql_methods.hh"
#include "net/address.hh"
#include "net/tls_context.hh"
#include "util/clock.hh"

namespace perilune::session {

// What the client said of itself when it logged in; `attributes` are MySQL's connect attributes in
// the order of the wire.
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
};

using Target = net::Endpoint;

// Whether a server is told who the client is, by which version of the PROXY protocol.
enum class SendProxy : std::uint8_t { No, V1, V2 };

// TLS to a server.
struct ServerTls {
  enum class Mode : std::uint8_t { Disable, Prefer, Require };
  Mode mode = Mode::Disable;
  std::shared_ptr<net::TlsClient> client;  // unless disabled
  std::string server_name;                 // to send and to verify; empty: the target's
};

// Log in to a server. Without credentials the client's own login is passed through.
struct ConnectTo {
  Target target;
  Login login;
  auth::Credentials credentials;
  ServerTls tls;
  Millis connect_timeout{5000};  // for resolving and connecting together
  SendProxy send_proxy = SendProxy::No;

  bool has_credentials() const noexcept {
    return credentials.password || credentials.password_sha1;
  }
};

using Decision = std::variant<Proceed, Refuse, ConnectTo>;

}  // namespace perilune::session
