#pragma once

#include "lua/api.hh"
#include "session/decision.hh"
#include "session/declaration.hh"
#include "session/session.hh"

namespace perilune::script {

// The option `tls` of the listener options at `table`: false, or {cert=, key=, client_ca=,
// min_version=, required=}.
session::ListenerTls read_listener_tls(lua_State* L, int table);

// The option `tls` of the connect options at `table`: 'disable', 'prefer', 'require', or {ca=,
// verify=, server_name=, cert=, key=}. Files are read once for a run of the script.
session::ServerTls read_server_tls(lua_State* L, int table);

// client.tls: nil, or what was agreed with the client.
void push_client_tls(lua_State* L, const session::Session& session);

}  // namespace perilune::script
