#include "wire/mysql/handshake.hh"

#include <algorithm>
#include <cassert>

#include "wire/builder.hh"
#include "wire/cursor.hh"

namespace perilune::wire::mysql {

namespace {

constexpr std::size_t kFirstPart = 8;        // of the auth data in a greeting
constexpr std::size_t kMinSecondPart = 13;   // with its NUL
constexpr std::size_t kSslRequestSize = 32;  // as far as the character set and its filler

bool has(std::uint64_t capabilities, std::uint64_t flag) noexcept {
  return (capabilities & flag) != 0;
}

std::uint32_t lower(std::uint64_t capabilities) noexcept {
  return static_cast<std::uint32_t>(capabilities);
}

// MariaDB's flags fill bytes that a MySQL peer leaves zero and does not look at.
std::uint32_t mariadb_part(std::uint64_t capabilities) noexcept {
  return has(capabilities, capability::kMysql) ? 0 : static_cast<std::uint32_t>(capabilities >> 32);
}

std::uint64_t with_mariadb_part(std::uint64_t capabilities, std::uint32_t more) noexcept {
  return has(capabilities, capability::kMysql) ? capabilities
                                               : capabilities | std::uint64_t{more} << 32;
}

Buffer copy(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

std::string bounded(Cursor& in, std::string_view text, std::size_t limit, const char* what) {
  in.require(text.size() <= limit, what);
  return std::string{text.substr(0, limit)};
}

Bytes without_final_nul(Bytes data) noexcept {
  return !data.empty() && data.back() == std::byte{0} ? data.first(data.size() - 1) : data;
}

SslRequest read_first_fields(Cursor& in) noexcept {
  SslRequest fields;
  fields.capabilities = in.u32();
  fields.max_packet_size = in.u32();
  fields.character_set = in.u8();
  in.take(19);
  fields.capabilities = with_mariadb_part(fields.capabilities, in.u32());
  in.require(has(fields.capabilities, capability::kProtocol41), "client too old: no protocol 4.1");
  return fields;
}

Bytes read_auth_answer(Cursor& in, std::uint64_t capabilities) noexcept {
  if (has(capabilities, capability::kPluginAuthLenencData)) return in.lenenc_bytes();
  if (has(capabilities, capability::kSecureConnection)) return in.take(in.u8());
  return as_bytes(in.text_until_nul());
}

// No method that a server without the longer form knows has longer answers than a byte can say: a
// longer one is wrong, cut or not.
void append_auth_answer(Builder& to, Bytes answer, std::uint64_t capabilities) {
  if (has(capabilities, capability::kPluginAuthLenencData)) {
    to.lenenc_bytes(answer);
  } else if (has(capabilities, capability::kSecureConnection)) {
    const std::size_t size = std::min<std::size_t>(answer.size(), 0xFF);
    to.u8(static_cast<std::uint8_t>(size)).bytes(answer.first(size));
  } else {
    to.text_with_nul(as_text(answer));
  }
}

Buffer read_attributes(Cursor& in) {
  const Bytes attributes = in.lenenc_bytes();
  in.require(attributes.size() <= kMaxConnectAttributes, "connection attributes");
  return in.ok() ? copy(attributes) : Buffer{};
}

// COM_CHANGE_USER has no longer form for the answer.
constexpr std::uint64_t in_command(std::uint64_t capabilities) noexcept {
  return capabilities & ~capability::kPluginAuthLenencData;
}

// The first two bytes are capabilities in the responses of all times
// ("Protocol::HandshakeResponse320").
bool is_before_41(Bytes payload) noexcept {
  Cursor in{payload};
  const std::uint16_t capabilities = in.u16();
  return in.ok() && !has(capabilities, capability::kProtocol41);
}

}  // namespace

Result<Greeting> decode_greeting(Bytes payload) noexcept {
  Cursor in{payload};
  Greeting greeting;
  in.require(in.u8() == kProtocolVersion, "protocol version");
  greeting.server_version = in.text_until_nul();
  greeting.connection_id = in.u32();
  greeting.auth_data = copy(in.take(kFirstPart));
  in.u8();  // filler
  greeting.capabilities = in.u16();
  greeting.character_set = in.u8();
  greeting.status = in.u16();
  greeting.capabilities |= std::uint64_t{in.u16()} << 16;
  const std::size_t announced = in.u8();
  const bool plugin = has(greeting.capabilities, capability::kPluginAuth);
  const std::size_t auth_size = plugin ? announced : 0;
  in.take(6);
  greeting.capabilities = with_mariadb_part(greeting.capabilities, in.u32());
  if (has(greeting.capabilities, capability::kSecureConnection)) {
    const std::size_t rest = auth_size > kFirstPart ? auth_size - kFirstPart : 0;
    append(greeting.auth_data, without_final_nul(in.take(std::max(kMinSecondPart, rest))));
  }
  if (plugin) {
    greeting.auth_plugin = bounded(in, in.text_until_nul_or_end(), kMaxPluginName, "plugin name");
  }
  return in.finish(std::move(greeting));
}

void append_greeting(Buffer& out, const Greeting& greeting) {
  const Bytes auth_data{greeting.auth_data};
  assert(auth_data.size() >= kFirstPart && auth_data.size() <= 246);
  const bool plugin = has(greeting.capabilities, capability::kPluginAuth);
  Builder to{out};
  to.u8(kProtocolVersion).text_with_nul(greeting.server_version).u32(greeting.connection_id);
  to.bytes(auth_data.first(kFirstPart)).u8(0);
  to.u16(static_cast<std::uint16_t>(greeting.capabilities)).u8(greeting.character_set);
  to.u16(greeting.status).u16(static_cast<std::uint16_t>(greeting.capabilities >> 16));
  to.u8(plugin ? static_cast<std::uint8_t>(auth_data.size() + 1) : 0);
  to.zeros(6).u32(mariadb_part(greeting.capabilities));
  if (has(greeting.capabilities, capability::kSecureConnection)) {
    const std::size_t limit = plugin ? auth_data.size() : kScrambleSize;
    const Bytes second = auth_data.first(std::min(limit, auth_data.size())).subspan(kFirstPart);
    to.bytes(second).zeros(std::max(kMinSecondPart, second.size() + 1) - second.size());
  }
  if (plugin) to.text_with_nul(greeting.auth_plugin);
}

bool is_ssl_request(Bytes payload) noexcept {
  Cursor in{payload};
  return payload.size() == kSslRequestSize && has(in.u32(), capability::kSsl) &&
         !is_before_41(payload);
}

Result<SslRequest> decode_ssl_request(Bytes payload) noexcept {
  if (is_before_41(payload)) return Malformed{"client too old: no protocol 4.1"};
  Cursor in{payload};
  const SslRequest request = read_first_fields(in);
  in.require(has(request.capabilities, capability::kSsl), "no TLS asked for");
  return in.finish(request);
}

void append_ssl_request(Buffer& out, const SslRequest& request) {
  Builder to{out};
  to.u32(lower(request.capabilities)).u32(request.max_packet_size).u8(request.character_set);
  to.zeros(19).u32(mariadb_part(request.capabilities));
}

Result<HandshakeResponse> decode_handshake_response(Bytes payload) noexcept {
  if (is_before_41(payload)) return Malformed{"client too old: no protocol 4.1"};
  Cursor in{payload};
  const SslRequest first = read_first_fields(in);
  HandshakeResponse response;
  response.capabilities = first.capabilities;
  response.max_packet_size = first.max_packet_size;
  response.character_set = first.character_set;
  response.user = bounded(in, in.text_until_nul(), kMaxUserName, "user name");
  const Bytes answer = read_auth_answer(in, first.capabilities);
  in.require(answer.size() <= kMaxAuthAnswer, "answer of the authentication");
  if (in.ok()) response.auth_answer = copy(answer);
  if (has(first.capabilities, capability::kConnectWithDb)) {
    response.database = bounded(in, in.text_until_nul(), kMaxDatabaseName, "database name");
  }
  if (has(first.capabilities, capability::kPluginAuth)) {
    // Some old clients leave it out or leave its NUL out; servers do not mind.
    response.auth_plugin = bounded(in, in.text_until_nul_or_end(), kMaxPluginName, "plugin name");
  }
  if (has(first.capabilities, capability::kConnectAttributes)) {
    response.attributes = read_attributes(in);
  }
  if (has(first.capabilities, capability::kZstdCompression)) response.zstd_level = in.u8();
  in.rest();
  return in.finish(std::move(response));
}

void append_handshake_response(Buffer& out, const HandshakeResponse& response) {
  const std::uint64_t capabilities = response.capabilities;
  append_ssl_request(out, {capabilities, response.max_packet_size, response.character_set});
  Builder to{out};
  to.text_with_nul(response.user);
  append_auth_answer(to, response.auth_answer, capabilities);
  if (has(capabilities, capability::kConnectWithDb)) to.text_with_nul(response.database);
  if (has(capabilities, capability::kPluginAuth)) to.text_with_nul(response.auth_plugin);
  if (has(capabilities, capability::kConnectAttributes)) to.lenenc_bytes(response.attributes);
  if (has(capabilities, capability::kZstdCompression)) to.u8(response.zstd_level);
}

Result<std::vector<Attribute>> decode_attributes(Bytes attributes) noexcept {
  Cursor in{attributes};
  std::vector<Attribute> found;
  while (!in.empty()) {
    const std::string_view name = in.lenenc_text();
    const std::string_view value = in.lenenc_text();
    if (in.ok()) found.push_back({std::string{name}, std::string{value}});
  }
  return in.finish(std::move(found));
}

void append_attribute(Buffer& attributes, const Attribute& attribute) {
  Builder{attributes}.lenenc_text(attribute.name).lenenc_text(attribute.value);
}

Result<ChangeUser> decode_change_user(Bytes payload, std::uint64_t capabilities) noexcept {
  Cursor in{payload};
  ChangeUser request;
  in.require(in.u8() == static_cast<std::uint8_t>(Command::ChangeUser), "header of a user change");
  request.user = bounded(in, in.text_until_nul(), kMaxUserName, "user name");
  const Bytes answer = read_auth_answer(in, in_command(capabilities));
  if (in.ok()) request.auth_answer = copy(answer);
  in.require(!in.empty(), "no database name");
  request.database = bounded(in, in.text_until_nul_or_end(), kMaxDatabaseName, "database name");
  if (in.left() >= 2) {
    request.character_set = in.u16();
  } else {
    in.rest();
  }
  if (has(capabilities, capability::kPluginAuth)) {
    in.require(!in.empty(), "no plugin name");
    request.auth_plugin = bounded(in, in.text_until_nul_or_end(), kMaxPluginName, "plugin name");
  }
  if (has(capabilities, capability::kConnectAttributes) && !in.empty()) {
    request.attributes = read_attributes(in);
  }
  in.rest();
  return in.finish(std::move(request));
}

void append_change_user(Buffer& out, const ChangeUser& request, std::uint64_t capabilities) {
  Builder to{out};
  to.u8(static_cast<std::uint8_t>(Command::ChangeUser)).text_with_nul(request.user);
  append_auth_answer(to, request.auth_answer, in_command(capabilities));
  to.text_with_nul(request.database).u16(request.character_set);
  if (has(capabilities, capability::kPluginAuth)) to.text_with_nul(request.auth_plugin);
  if (has(capabilities, capability::kConnectAttributes)) to.lenenc_bytes(request.attributes);
}

Result<AuthSwitchRequest> decode_auth_switch_request(Bytes payload) noexcept {
  Cursor in{payload};
  AuthSwitchRequest request;
  in.require(in.u8() == kEofHeader, "header of an authentication switch");
  if (in.ok() && in.empty()) return request;
  request.auth_plugin = bounded(in, in.text_until_nul(), kMaxPluginName, "plugin name");
  in.require(!request.auth_plugin.empty(), "plugin name");
  request.auth_data = copy(in.rest());
  return in.finish(std::move(request));
}

void append_auth_switch_request(Buffer& out, const AuthSwitchRequest& request) {
  Builder to{out};
  to.u8(kEofHeader);
  if (request.is_old()) return;
  to.text_with_nul(request.auth_plugin).bytes(request.auth_data);
}

Result<AuthMoreData> decode_auth_more_data(Bytes payload) noexcept {
  Cursor in{payload};
  in.require(in.u8() == kAuthMoreDataHeader, "header of authentication data");
  AuthMoreData more;
  more.data = copy(in.rest());
  return in.finish(std::move(more));
}

void append_auth_more_data(Buffer& out, Bytes data) {
  Builder{out}.u8(kAuthMoreDataHeader).bytes(data);
}

}  // namespace perilune::wire::mysql
