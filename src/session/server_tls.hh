#pragma once

#include <string>

#include "net/address.hh"
#include "net/stream.hh"
#include "session/decision.hh"

namespace perilune::session {

// Rules made anew: for who has no script at hand that keeps them. Throws ConfigError that names the
// file it cannot read.
ServerTls make_server_tls(const net::TlsWish& wish);

// Begins TLS with the server that a decision has led to, at this address. The handshake is the
// caller's to wait for.
void start_tls(net::Stream& server, const ConnectTo& decision, const net::Address& address);

// After the handshake: what is wrong, the server's certificate included; empty: nothing.
std::string tls_problem(const net::Stream& server);

}  // namespace perilune::session
