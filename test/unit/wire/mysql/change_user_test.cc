#include "support/catch.hh"
#include "support/hex.hh"
#include "wire/mysql/handshake.hh"

using namespace perilune;
using namespace perilune::wire::mysql;
using perilune::test::from_hex;

namespace {

constexpr std::uint64_t kModern =
    capability::kSecureConnection | capability::kPluginAuth | capability::kConnectAttributes;

// MariaDB's client library: COM_CHANGE_USER to anna, shop, utf8mb4_general_ci.
const Buffer whole = from_hex(
    "11 616e6e6100 14 000102030405060708090a0b0c0d0e0f10111213 73686f7000 2d00"
    "6d7973716c5f6e61746976655f70617373776f726400 08 035f6f73 034c6e78");

constexpr std::size_t kDatabase = 1 + 5 + 21;
constexpr std::size_t kCharacterSet = kDatabase + 5;
constexpr std::size_t kPlugin = kCharacterSet + 2;
constexpr std::size_t kAttributes = kPlugin + 22;

ChangeUser full_request() {
  ChangeUser request;
  request.user = "somebody";
  request.auth_answer = from_hex("00 01 02 ff");
  request.database = "shop";
  request.character_set = 2304;
  request.auth_plugin = "caching_sha2_password";
  append_attribute(request.attributes, {"_client_name", "test"});
  return request;
}

Buffer encoded(const ChangeUser& request, std::uint64_t capabilities) {
  Buffer payload;
  append_change_user(payload, request, capabilities);
  return payload;
}

}  // namespace

TEST_CASE("mysql change of user: what a client sends", "[wire][mysql]") {
  const auto request = decode_change_user(whole, kModern);
  REQUIRE(request);
  CHECK(request->user == "anna");
  CHECK(request->auth_answer.size() == 20);
  CHECK(request->database == "shop");
  CHECK(request->character_set == 45);
  CHECK(request->auth_plugin == "mysql_native_password");
  const auto attributes = decode_attributes(request->attributes);
  REQUIRE(attributes);
  REQUIRE(attributes->size() == 1);
  CHECK(attributes->at(0).value == "Lnx");
  CHECK(encoded(*request, kModern) == whole);
}

TEST_CASE("mysql change of user: every field survives a round trip", "[wire][mysql]") {
  const ChangeUser request = full_request();
  const auto decoded = decode_change_user(encoded(request, kModern), kModern);
  REQUIRE(decoded);
  CHECK(decoded->user == request.user);
  CHECK(decoded->auth_answer == request.auth_answer);
  CHECK(decoded->database == request.database);
  CHECK(decoded->character_set == request.character_set);
  CHECK(decoded->auth_plugin == request.auth_plugin);
  CHECK(decoded->attributes == request.attributes);
}

TEST_CASE("mysql change of user: truncations count where servers mind them", "[wire][mysql]") {
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(n);
    // Old clients leave the attributes out, some leave out the NUL of the last text.
    const bool forgiven = n > kPlugin && n <= kAttributes;
    CHECK(static_cast<bool>(decode_change_user(Bytes{whole}.first(n), kModern)) == forgiven);
  }
}

TEST_CASE("mysql change of user: without plugins it may end behind the user's database",
          "[wire][mysql]") {
  for (std::size_t n = 0; n <= whole.size(); ++n) {
    CAPTURE(n);
    const auto request = decode_change_user(Bytes{whole}.first(n), capability::kSecureConnection);
    CHECK(static_cast<bool>(request) == (n > kDatabase));
    if (!request) continue;
    CHECK(request->character_set == (n >= kPlugin ? 45 : 0));
    CHECK(request->auth_plugin.empty());
  }
}

TEST_CASE("mysql change of user: the longer form of a login's answer is not used",
          "[wire][mysql]") {
  const std::uint64_t capabilities = kModern | capability::kPluginAuthLenencData;
  ChangeUser request = full_request();
  request.auth_answer.resize(255);
  const Buffer payload = encoded(request, capabilities);
  const auto decoded = decode_change_user(payload, capabilities);
  REQUIRE(decoded);
  CHECK(decoded->auth_answer.size() == 255);
  request.auth_answer.resize(300);
  CHECK(encoded(request, capabilities).size() == payload.size());
}

TEST_CASE("mysql change of user: before the secure connection an answer ends with NUL",
          "[wire][mysql]") {
  const auto request = decode_change_user(from_hex("11 7500 7361797300 00"), 0);
  REQUIRE(request);
  CHECK(as_text(request->auth_answer) == "says");
  CHECK(request->database.empty());
}

TEST_CASE("mysql change of user: another command, and fields beyond any server's bounds",
          "[wire][mysql]") {
  Buffer other = whole;
  other.front() = std::byte{0x03};
  CHECK_FALSE(decode_change_user(other, kModern));
  ChangeUser request = full_request();
  request.user.assign(kMaxUserName + 1, 'u');
  CHECK_FALSE(decode_change_user(encoded(request, kModern), kModern));
  request = full_request();
  request.database.assign(kMaxDatabaseName + 1, 'd');
  CHECK_FALSE(decode_change_user(encoded(request, kModern), kModern));
  request = full_request();
  request.auth_plugin.assign(kMaxPluginName + 1, 'p');
  CHECK_FALSE(decode_change_user(encoded(request, kModern), kModern));
  request = full_request();
  request.attributes.resize(kMaxConnectAttributes + 1);
  CHECK_FALSE(decode_change_user(encoded(request, kModern), kModern));
}
