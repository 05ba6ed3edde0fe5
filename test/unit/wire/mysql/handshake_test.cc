#include "wire/mysql/handshake.hh"

#include <algorithm>

#include "support/catch.hh"
#include "support/hex.hh"
#include "unit/wire/mysql/session_file.hh"
#include "wire/cursor.hh"
#include "wire/mysql/framing.hh"
#include "wire/mysql/reply.hh"

using namespace perilune;
using namespace perilune::wire::mysql;
using perilune::test::first_payload;
using perilune::test::from_hex;
using perilune::test::RecordedSession;

namespace {

RecordedSession recorded(std::string_view name) {
  const auto sessions = test::recorded_sessions();
  const auto found = std::ranges::find(sessions, name, &RecordedSession::name);
  REQUIRE(found != sessions.end());
  return *found;
}

Buffer login_payload(const RecordedSession& session, std::size_t part) {
  const Bytes payload = first_payload(session.login.at(part).bytes);
  return {payload.begin(), payload.end()};
}

HandshakeResponse full_response() {
  HandshakeResponse response;
  response.capabilities = capability::kProtocol41 | capability::kSecureConnection |
                          capability::kConnectWithDb | capability::kPluginAuth |
                          capability::kConnectAttributes | capability::kPluginAuthLenencData |
                          capability::kZstdCompression | capability::kMariadbProgress |
                          capability::kMariadbCacheMetadata;
  response.max_packet_size = 1 << 24;
  response.character_set = 45;
  response.user = "somebody";
  response.auth_answer = from_hex("00 01 02 ff");
  response.database = "shop";
  response.auth_plugin = "caching_sha2_password";
  append_attribute(response.attributes, {"_client_name", "test"});
  append_attribute(response.attributes, {"empty", ""});
  response.zstd_level = 3;
  return response;
}

Buffer encoded(const HandshakeResponse& response) {
  Buffer payload;
  append_handshake_response(payload, response);
  return payload;
}

}  // namespace

TEST_CASE("mysql greeting: MariaDB's", "[wire][mysql]") {
  const RecordedSession session = recorded("login_switch");
  const Buffer payload = login_payload(session, 0);
  const auto greeting = decode_greeting(payload);
  REQUIRE(greeting);
  CHECK(greeting->server_version.starts_with("5.5.5-10.11."));
  CHECK(greeting->auth_data.size() == kScrambleSize);
  CHECK(greeting->auth_plugin == "mysql_native_password");
  CHECK((greeting->capabilities & capability::kMysql) == 0);
  CHECK((greeting->capabilities & capability::kMariadbCacheMetadata) != 0);
  CHECK((greeting->capabilities & capability::kDeprecateEof) != 0);
  CHECK(greeting->status == status::kAutocommit);
  Buffer again;
  append_greeting(again, *greeting);
  CHECK(again == payload);
}

TEST_CASE("mysql greeting: MySQL's, whose reserved bytes mean nothing", "[wire][mysql]") {
  // MySQL 8.0 as documented in "Protocol::HandshakeV10", with junk in the reserved bytes.
  const Buffer payload = from_hex(
      "0a 382e302e333600 07000000 0102030405060708 00 ffff ff 0200 ffdf 15 000000000000 ffffffff"
      "1112131415161718191a1b1c 00 63616368696e675f736861325f70617373776f726400");
  const auto greeting = decode_greeting(payload);
  REQUIRE(greeting);
  CHECK(greeting->server_version == "8.0.36");
  CHECK(greeting->connection_id == 7);
  CHECK(greeting->capabilities == 0xDFFFFFFF);
  CHECK(greeting->auth_data == from_hex("0102030405060708 1112131415161718191a1b1c"));
  CHECK(greeting->auth_plugin == "caching_sha2_password");
}

TEST_CASE("mysql greeting: a plugin name without NUL is understood", "[wire][mysql]") {
  Greeting greeting;
  greeting.auth_data = Buffer(kScrambleSize, std::byte{'s'});
  greeting.capabilities =
      capability::kProtocol41 | capability::kSecureConnection | capability::kPluginAuth;
  greeting.auth_plugin = "mysql_native_password";
  Buffer payload;
  append_greeting(payload, greeting);
  payload.pop_back();
  const auto decoded = decode_greeting(payload);
  REQUIRE(decoded);
  CHECK(decoded->auth_plugin == "mysql_native_password");
}

TEST_CASE("mysql greeting: without plugins the size of the scramble is fixed", "[wire][mysql]") {
  Greeting greeting;
  greeting.auth_data = Buffer(kScrambleSize, std::byte{'s'});
  greeting.capabilities = capability::kProtocol41 | capability::kSecureConnection;
  Buffer payload;
  append_greeting(payload, greeting);
  payload[1 + 1 + 4 + 8 + 1 + 2 + 1 + 2 + 2] = std::byte{50};  // means nothing then
  const auto decoded = decode_greeting(payload);
  REQUIRE(decoded);
  CHECK(decoded->auth_data == greeting.auth_data);
}

TEST_CASE("mysql greeting: without plugins no longer scramble is sent", "[wire][mysql]") {
  Greeting greeting;
  greeting.auth_data = Buffer(kScrambleSize + 1, std::byte{'s'});
  greeting.capabilities = capability::kProtocol41 | capability::kSecureConnection;
  Buffer payload;
  append_greeting(payload, greeting);
  const auto decoded = decode_greeting(payload);
  REQUIRE(decoded);
  CHECK(decoded->auth_data.size() == kScrambleSize);
}

TEST_CASE("mysql greeting: every truncation before the plugin is malformed", "[wire][mysql]") {
  const Buffer whole = login_payload(recorded("login_password"), 0);
  const std::size_t plugin = whole.size() - std::string_view{"mysql_native_password"}.size() - 1;
  for (std::size_t n = 0; n < plugin; ++n) CHECK_FALSE(decode_greeting(Bytes{whole}.first(n)));
  CHECK(decode_greeting(whole));
}

TEST_CASE("mysql greeting: another protocol version is malformed", "[wire][mysql]") {
  Buffer payload = login_payload(recorded("login_password"), 0);
  payload.front() = std::byte{9};
  CHECK_FALSE(decode_greeting(payload));
}

TEST_CASE("mysql login: every field survives a round trip", "[wire][mysql]") {
  const HandshakeResponse response = full_response();
  const auto decoded = decode_handshake_response(encoded(response));
  REQUIRE(decoded);
  CHECK(decoded->capabilities == response.capabilities);
  CHECK(decoded->max_packet_size == response.max_packet_size);
  CHECK(decoded->character_set == response.character_set);
  CHECK(decoded->user == response.user);
  CHECK(decoded->auth_answer == response.auth_answer);
  CHECK(decoded->database == response.database);
  CHECK(decoded->auth_plugin == response.auth_plugin);
  CHECK(decoded->attributes == response.attributes);
  CHECK(decoded->zstd_level == response.zstd_level);
}

TEST_CASE("mysql login: every truncation is malformed", "[wire][mysql]") {
  const Buffer whole = encoded(full_response());
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(n);
    CHECK_FALSE(decode_handshake_response(Bytes{whole}.first(n)));
  }
}

TEST_CASE("mysql login: what recorded clients sent is encoded the same", "[wire][mysql]") {
  for (const char* name : {"login_password", "login_switch", "login_refused", "pymysql"}) {
    CAPTURE(name);
    const Buffer payload = login_payload(recorded(name), 1);
    const auto response = decode_handshake_response(payload);
    REQUIRE(response);
    CHECK(encoded(*response) == payload);
    CHECK(decode_attributes(response->attributes));
  }
}

TEST_CASE("mysql login: no password is an empty answer in all three forms", "[wire][mysql]") {
  const std::uint64_t form =
      GENERATE(std::uint64_t{0}, capability::kSecureConnection,
               capability::kSecureConnection | capability::kPluginAuthLenencData);
  HandshakeResponse response;
  response.capabilities = capability::kProtocol41 | form;
  response.user = "u";
  const Buffer payload = encoded(response);
  CHECK(payload.size() == 32 + 2 + 1);
  const auto decoded = decode_handshake_response(payload);
  REQUIRE(decoded);
  CHECK(decoded->auth_answer.empty());
}

TEST_CASE("mysql login: an answer too long for its form is cut", "[wire][mysql]") {
  HandshakeResponse response;
  response.capabilities = capability::kProtocol41 | capability::kSecureConnection;
  response.auth_answer.resize(300);
  const auto decoded = decode_handshake_response(encoded(response));
  REQUIRE(decoded);
  CHECK(decoded->auth_answer.size() == 255);
}

TEST_CASE("mysql login: MariaDB's flags count only if the client is MariaDB's", "[wire][mysql]") {
  HandshakeResponse response = full_response();
  Buffer payload = encoded(response);
  payload.front() |= std::byte{capability::kMysql};
  const auto decoded = decode_handshake_response(payload);
  REQUIRE(decoded);
  CHECK((decoded->capabilities >> 32) == 0);
  response.capabilities |= capability::kMysql;
  CHECK(encoded(response)[28] == std::byte{0});
}

TEST_CASE("mysql login: without the flags there is no database and no plugin", "[wire][mysql]") {
  HandshakeResponse response = full_response();
  response.capabilities = capability::kProtocol41 | capability::kSecureConnection;
  const auto decoded = decode_handshake_response(encoded(response));
  REQUIRE(decoded);
  CHECK(decoded->database.empty());
  CHECK(decoded->auth_plugin.empty());
  CHECK(decoded->attributes.empty());
}

TEST_CASE("mysql login: padding and a missing plugin name are forgiven", "[wire][mysql]") {
  HandshakeResponse response;
  response.capabilities = capability::kProtocol41 | capability::kSecureConnection;
  response.user = "u";
  Buffer padded = encoded(response);
  padded.push_back(std::byte{0});
  CHECK(decode_handshake_response(padded));
  Buffer plain = encoded(response);
  plain[2] = std::byte{capability::kPluginAuth >> 16};
  const auto decoded = decode_handshake_response(plain);
  REQUIRE(decoded);
  CHECK(decoded->auth_plugin.empty());
}

TEST_CASE("mysql login: before protocol 4.1 it is refused as too old", "[wire][mysql]") {
  // Flags, size, user, answer of "Protocol::HandshakeResponse320".
  const auto decoded = decode_handshake_response(from_hex("8524 000000 6f6c6400 474453435d 00"));
  REQUIRE_FALSE(decoded);
  CHECK(std::string_view{decoded.error().what}.starts_with("client too old"));
  CHECK_FALSE(is_ssl_request(from_hex("8524 000000 6f6c6400 474453435d 00")));
}

TEST_CASE("mysql login: fields beyond any server's bounds are malformed", "[wire][mysql]") {
  HandshakeResponse response = full_response();
  response.user.assign(kMaxUserName + 1, 'u');
  CHECK_FALSE(decode_handshake_response(encoded(response)));
  response = full_response();
  response.database.assign(kMaxDatabaseName + 1, 'd');
  CHECK_FALSE(decode_handshake_response(encoded(response)));
  response = full_response();
  response.auth_plugin.assign(kMaxPluginName + 1, 'p');
  CHECK_FALSE(decode_handshake_response(encoded(response)));
  response = full_response();
  response.auth_answer.resize(kMaxAuthAnswer + 1);
  CHECK_FALSE(decode_handshake_response(encoded(response)));
  response = full_response();
  response.attributes.resize(kMaxConnectAttributes + 1);
  CHECK_FALSE(decode_handshake_response(encoded(response)));
}

TEST_CASE("mysql TLS request: told from a login, round trip, truncations", "[wire][mysql]") {
  SslRequest request;
  request.capabilities = capability::kProtocol41 | capability::kSsl | capability::kMariadbProgress;
  request.max_packet_size = 0x40000000;
  request.character_set = 255;
  Buffer payload;
  append_ssl_request(payload, request);
  CHECK(is_ssl_request(payload));
  const auto decoded = decode_ssl_request(payload);
  REQUIRE(decoded);
  CHECK(decoded->capabilities == request.capabilities);
  CHECK(decoded->max_packet_size == request.max_packet_size);
  CHECK(decoded->character_set == 255);
  CHECK_FALSE(decode_handshake_response(payload));
  for (std::size_t n = 0; n < payload.size(); ++n) {
    CHECK_FALSE(is_ssl_request(Bytes{payload}.first(n)));
    CHECK_FALSE(decode_ssl_request(Bytes{payload}.first(n)));
  }
  CHECK_FALSE(is_ssl_request(encoded(full_response())));
}

TEST_CASE("mysql attributes: pairs, and every cut inside a pair is malformed", "[wire][mysql]") {
  const HandshakeResponse response = full_response();
  const auto attributes = decode_attributes(response.attributes);
  REQUIRE(attributes);
  REQUIRE(attributes->size() == 2);
  CHECK(attributes->at(0).name == "_client_name");
  CHECK(attributes->at(0).value == "test");
  CHECK(attributes->at(1).value.empty());
  const std::size_t first_pair = 1 + 12 + 1 + 4;
  for (std::size_t n = 1; n < response.attributes.size(); ++n) {
    if (n != first_pair) CHECK_FALSE(decode_attributes(Bytes{response.attributes}.first(n)));
  }
}

TEST_CASE("mysql authentication switch: recorded, and encoded the same", "[wire][mysql]") {
  const RecordedSession session = recorded("login_switch");
  const Buffer payload = login_payload(session, 2);
  const auto request = decode_auth_switch_request(payload);
  REQUIRE(request);
  CHECK(request->auth_plugin == "mysql_native_password");
  CHECK(request->auth_data.size() == kScrambleSize + 1);  // with its NUL
  CHECK_FALSE(request->is_old());
  Buffer again;
  append_auth_switch_request(again, *request);
  CHECK(again == payload);
  CHECK_FALSE(decode_auth_switch_request(from_hex("fe 61 62")));
  CHECK_FALSE(decode_auth_switch_request(from_hex("fe 00")));
  CHECK_FALSE(decode_auth_switch_request({}));
}

TEST_CASE("mysql authentication switch: the old one is a single byte", "[wire][mysql]") {
  const auto request = decode_auth_switch_request(from_hex("fe"));
  REQUIRE(request);
  CHECK(request->is_old());
  Buffer payload;
  append_auth_switch_request(payload, *request);
  CHECK(payload == from_hex("fe"));
}

TEST_CASE("mysql authentication data: round trip", "[wire][mysql]") {
  Buffer payload;
  append_auth_more_data(payload, from_hex("04"));
  CHECK(payload == from_hex("01 04"));
  const auto more = decode_auth_more_data(payload);
  REQUIRE(more);
  CHECK(more->data == from_hex("04"));
  CHECK_FALSE(decode_auth_more_data(from_hex("02 04")));
  CHECK_FALSE(decode_auth_more_data({}));
}

TEST_CASE("mysql login: a recorded refusal", "[wire][mysql]") {
  const RecordedSession session = recorded("login_refused");
  const auto err = decode_err(login_payload(session, 2));
  REQUIRE(err);
  CHECK(err->code == static_cast<std::uint16_t>(ErrorCode::AccessDenied));
  CHECK(err->sql_state == "28000");
}
