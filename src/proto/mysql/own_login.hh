#pragma once

#include <array>
#include <string_view>

#include "cluster/settings.hh"
#include "proto/mysql/channel.hh"
#include "proto/mysql/methods.hh"
#include "session/decision.hh"
#include "session/server_tls.hh"
#include "wire/mysql/handshake.hh"
#include "wire/mysql/protocol.hh"

namespace perilune::proto::mysql {

// A client of our own, for one statement of no size.
inline wire::mysql::HandshakeResponse modest_client() {
  using namespace wire::mysql::capability;
  wire::mysql::HandshakeResponse client;
  client.capabilities = kMysql | kProtocol41 | kSecureConnection | kPluginAuth;
  client.max_packet_size = wire::mysql::kMaxPacket;
  client.character_set = kUtf8mb4;
  return client;
}

// The login that a cluster's script has given for what is nobody's session. Reads the files of its
// TLS, and throws ConfigError where that fails.
inline session::ConnectTo login_of(const cluster::ProbeSettings& settings) {
  session::ConnectTo decision;
  decision.login.user = settings.user;
  // None is an empty one: the server is to be told so, not asked for the client's.
  decision.credentials.password = settings.password ? settings.password->clone() : auth::Secret{};
  decision.tls = session::make_server_tls(settings.tls);
  return decision;
}

inline void send_command(Channel& channel, wire::mysql::Command command,
                         std::string_view argument) {
  Buffer payload{std::byte{static_cast<std::uint8_t>(command)}};
  append(payload, as_bytes(argument));
  channel.set_sequence(0);
  channel.send(payload);
}

}  // namespace perilune::proto::mysql
