#pragma once

// "Connection Phase": the packets of a login. Decoders copy what they return; a login is rare.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "util/bytes.hh"
#include "util/result.hh"
#include "wire/mysql/protocol.hh"

namespace perilune::wire::mysql {

// "Protocol::HandshakeV10".
struct Greeting {
  std::string server_version;
  std::uint32_t connection_id = 0;
  Buffer auth_data;  // the scramble, without the NUL that ends it on the wire
  std::uint64_t capabilities = 0;
  std::uint8_t character_set = 0;
  std::uint16_t status = 0;
  std::string auth_plugin;
};

Result<Greeting> decode_greeting(Bytes payload) noexcept;
// auth_data must have at least 8 bytes and at most 246; without PLUGIN_AUTH, whose size field says
// how many, no more than kScrambleSize are sent.
void append_greeting(Buffer& out, const Greeting& greeting);

// "Protocol::SSLRequest": the first fields of a login, before TLS starts.
struct SslRequest {
  std::uint64_t capabilities = 0;
  std::uint32_t max_packet_size = 0;
  std::uint8_t character_set = 0;
};

// Whether the client's first packet asks for TLS and is not yet a login.
bool is_ssl_request(Bytes payload) noexcept;
Result<SslRequest> decode_ssl_request(Bytes payload) noexcept;
void append_ssl_request(Buffer& out, const SslRequest& request);

// "Protocol::HandshakeResponse41".
struct HandshakeResponse {
  std::uint64_t capabilities = 0;
  std::uint32_t max_packet_size = 0;
  std::uint8_t character_set = 0;
  std::string user;
  Buffer auth_answer;  // empty: no password
  std::string database;
  std::string auth_plugin;
  Buffer attributes;  // as on the wire, without their length: see decode_attributes()
  std::uint8_t zstd_level = 0;
};

// Bytes after the last field are ignored, as servers do: some clients pad. A response of the
// protocol before 4.1 is malformed, and says so.
Result<HandshakeResponse> decode_handshake_response(Bytes payload) noexcept;
// Writes the fields that the capabilities announce.
void append_handshake_response(Buffer& out, const HandshakeResponse& response);

struct Attribute {
  std::string name;
  std::string value;
};

Result<std::vector<Attribute>> decode_attributes(Bytes attributes) noexcept;
void append_attribute(Buffer& attributes, const Attribute& attribute);

// "COM_CHANGE_USER": a login in the command phase.
struct ChangeUser {
  std::string user;
  Buffer auth_answer;  // empty: no password, or the client waits for a challenge
  std::string database;
  std::uint16_t character_set = 0;  // 0: the client named none
  std::string auth_plugin;
  Buffer attributes;  // as in HandshakeResponse
};

// `capabilities`: what the connection's login agreed on. Everything behind the database may be
// missing without PLUGIN_AUTH, and the attributes always; bytes after the last field are ignored.
Result<ChangeUser> decode_change_user(Bytes payload, std::uint64_t capabilities) noexcept;
// Answers longer than 255 bytes are cut: there is no form for them.
void append_change_user(Buffer& out, const ChangeUser& request, std::uint64_t capabilities);

// "Protocol::AuthSwitchRequest". Without plugin it is "Protocol::OldAuthSwitchRequest": the client
// shall answer with mysql_old_password.
struct AuthSwitchRequest {
  std::string auth_plugin;
  Buffer auth_data;  // as it is; most methods end it with a NUL

  bool is_old() const noexcept { return auth_plugin.empty(); }
};

Result<AuthSwitchRequest> decode_auth_switch_request(Bytes payload) noexcept;
void append_auth_switch_request(Buffer& out, const AuthSwitchRequest& request);

// "Protocol::AuthMoreData": a method's own data.
struct AuthMoreData {
  Buffer data;
};

Result<AuthMoreData> decode_auth_more_data(Bytes payload) noexcept;
void append_auth_more_data(Buffer& out, Bytes data);

}  // namespace perilune::wire::mysql
