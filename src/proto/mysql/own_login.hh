#pragma once

#include <array>
#include <string_view>

#include "proto/mysql/channel.hh"
#include "proto/mysql/methods.hh"
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

inline void send_command(Channel& channel, wire::mysql::Command command,
                         std::string_view argument) {
  Buffer payload{std::byte{static_cast<std::uint8_t>(command)}};
  append(payload, as_bytes(argument));
  channel.set_sequence(0);
  channel.send(payload);
}

}  // namespace perilune::proto::mysql
