#include "wire/postgres/startup.hh"

#include "support/catch.hh"
#include "support/hex.hh"
#include "unit/wire/postgres/session_file.hh"
#include "wire/postgres/framing.hh"

using namespace perilune;
using namespace perilune::test;
using namespace perilune::test::postgres;
using namespace perilune::wire::postgres;

namespace {

StartupMessage startup(std::vector<Parameter> parameters) {
  StartupMessage message;
  message.parameters = std::move(parameters);
  return message;
}

Buffer encoded(const StartupMessage& message) {
  Buffer out;
  append_startup_message(out, message);
  return out;
}

template <typename T>
T decoded(const Buffer& packet) {
  const auto opening = decode_opening(packet);
  REQUIRE(opening);
  REQUIRE(std::holds_alternative<T>(*opening));
  return std::get<T>(*opening);
}

}  // namespace

TEST_CASE("postgres startup: what psql sends", "[wire][postgres]") {
  const RecordedSession session = recorded_session("login_scram");
  const auto message = decoded<StartupMessage>(session.login.front().bytes);
  CHECK(message.version == kProtocol30);
  CHECK(message.user() == "scram");
  CHECK(message.database() == "perilune_sessions");
  CHECK(message.parameter("application_name") == "psql");
  CHECK_FALSE(message.wants_replication());
  CHECK(encoded(message) == session.login.front().bytes);
}

TEST_CASE("postgres startup: parameters", "[wire][postgres]") {
  const auto message = decoded<StartupMessage>(
      encoded(startup({{"user", "a"}, {"options", ""}, {"user", "b"}, {"x", "\xff"}})));
  CHECK(message.parameters.size() == 4);
  CHECK(message.user() == "b");
  CHECK(message.database() == "b");
  CHECK(message.parameter("options").empty());
  CHECK(message.parameter("none").empty());
}

TEST_CASE("postgres startup: replication in every spelling", "[wire][postgres]") {
  for (const char* yes : {"true", "on", "1", "database", "YES", "nonsense"}) {
    CHECK(startup({{"replication", yes}}).wants_replication());
  }
  for (const char* no : {"false", "off", "0", "F", "No"}) {
    CHECK_FALSE(startup({{"replication", no}}).wants_replication());
  }
  CHECK_FALSE(startup({}).wants_replication());
}

TEST_CASE("postgres startup: requests for encryption", "[wire][postgres]") {
  Buffer out;
  SECTION("TLS") {
    append_ssl_request(out);
    CHECK(out == from_hex("00000008 04d2162f"));
    (void)decoded<SslRequest>(out);
  }
  SECTION("GSSAPI") {
    append_gssenc_request(out);
    CHECK(out == from_hex("00000008 04d21630"));
    (void)decoded<GssEncRequest>(out);
  }
  out.push_back(std::byte{0});
  CHECK_FALSE(decode_opening(out));
  out[3] = std::byte{9};
  CHECK_FALSE(decode_opening(out));
}

TEST_CASE("postgres startup: cancel requests of both versions", "[wire][postgres]") {
  const std::size_t size = GENERATE(1, 4, 32, 256);
  CancelRequest request;
  request.process_id = 0x81020304;
  request.key.assign(size, std::byte{7});
  Buffer out;
  append_cancel_request(out, request);
  CHECK(out.size() == 12 + size);
  const auto read = decoded<CancelRequest>(out);
  CHECK(read.process_id == request.process_id);
  CHECK(read.key == request.key);
}

TEST_CASE("postgres startup: cancel keys that are none", "[wire][postgres]") {
  CHECK_FALSE(decode_opening(from_hex("0000000c 04d2162e 00000001")));
  CancelRequest request;
  request.key.resize(kMaxCancelKeySize + 1);
  Buffer out;
  append_cancel_request(out, request);
  CHECK_FALSE(decode_opening(out));
}

TEST_CASE("postgres startup: sizes", "[wire][postgres]") {
  CHECK(*opening_size(from_hex("000000")) == 0);
  CHECK(*opening_size(from_hex("00000008")) == 8);
  CHECK(*opening_size(from_hex("00002714")) == 10004);
  CHECK_FALSE(opening_size(from_hex("00002715")));
  CHECK_FALSE(opening_size(from_hex("00000007")));
  CHECK_FALSE(opening_size(from_hex("ffffffff")));
  // "GET / HTTP/1.1", a TLS client's hello
  CHECK_FALSE(opening_size(from_hex("47455420 2f204854")));
  CHECK_FALSE(opening_size(from_hex("16030100 c8")));
}

TEST_CASE("postgres startup: every truncation is malformed", "[wire][postgres]") {
  const Buffer whole = encoded(startup({{"user", "anna"}, {"database", "shop"}}));
  for (std::size_t size = 8; size < whole.size(); ++size) {
    CAPTURE(size);
    Buffer cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK_FALSE(decode_opening(cut));
    patch_length(cut, 0);
    CHECK_FALSE(decode_opening(cut));
  }
}

TEST_CASE("postgres startup: what no startup message may be", "[wire][postgres]") {
  // version 2.0, and one to come
  CHECK_FALSE(decode_opening(from_hex("00000009 00020000 00")));
  CHECK_FALSE(decode_opening(from_hex("00000009 00040000 00")));
  // something behind the end
  CHECK_FALSE(decode_opening(from_hex("0000000a 00030000 00 00")));
  CHECK(decode_opening(from_hex("00000009 00030000 00")));
}

TEST_CASE("postgres startup: versions", "[wire][postgres]") {
  CHECK(agreed_version(kProtocol30) == kProtocol30);
  CHECK(agreed_version(protocol_version(3, 1)) == kProtocol30);
  CHECK(agreed_version(kProtocol32) == kProtocol32);
  CHECK(agreed_version(protocol_version(3, 9999)) == kProtocol32);
}

TEST_CASE("postgres startup: a server that knows less", "[wire][postgres]") {
  const Buffer answer = recorded_session("login_newer_version").login.back().bytes;
  const auto message = front_message(answer, 1000);
  REQUIRE((message && message->complete));
  CHECK(message->tag == 'v');
  const auto negotiate = decode_negotiate_protocol_version(message->body);
  REQUIRE(negotiate);
  CHECK(negotiate->version == kProtocol30);
  CHECK(negotiate->unknown_options == std::vector<std::string>{"_pq_.unknown"});
  Buffer out;
  append_negotiate_protocol_version(out, *negotiate);
  CHECK(out == Buffer(answer.begin(), answer.begin() + static_cast<std::ptrdiff_t>(out.size())));
  for (std::size_t size = 0; size < message->body.size(); ++size) {
    CHECK_FALSE(decode_negotiate_protocol_version(message->body.first(size)));
  }
  CHECK_FALSE(decode_negotiate_protocol_version(from_hex("00030000 ffffffff 00")));
}
