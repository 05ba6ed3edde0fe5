#pragma once

#include "lua/api.hh"
#include "session/decision.hh"
#include "session/declaration.hh"
#include "session/session.hh"

namespace perilune::script {

// The option `tls` of the listener options at `table`, if there are any: false, or {cert=, key=,
// client_ca=, min_version=, required=}. Where TLS begins with the first byte it is there only with
// a certificate, and then always.
session::ListenerTls read_listener_tls(lua_State* L, int table, session::Protocol protocol);

// The option `tls` of the connect options at `table`: 'disable', 'prefer' (where servers say
// whether they have it), 'require', or {ca=, verify=, server_name=, cert=, key=}. Files are read
// once for a run of the script.
net::TlsWish read_tls_wish(lua_State* L, int table, session::Protocol protocol);
session::ServerTls read_server_tls(lua_State* L, int table, session::Protocol protocol);

// client.tls: nil, or what was agreed with the client.
void push_client_tls(lua_State* L, const session::Session& session);

}  // namespace perilune::script
