#include "wire/mysql/reply.hh"

#include "support/catch.hh"
#include "support/hex.hh"

using namespace perilune;
using namespace perilune::wire::mysql;
using perilune::test::from_hex;

namespace {

constexpr std::uint64_t kModern =
    capability::kProtocol41 | capability::kSessionTrack | capability::kDeprecateEof;

template <typename Decode>
void every_truncation_is_malformed(const Buffer& whole, Decode decode) {
  REQUIRE(decode(Bytes{whole}));
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(n);
    CHECK_FALSE(decode(Bytes{whole}.first(n)));
  }
}

}  // namespace

TEST_CASE("mysql OK: every field survives a round trip", "[wire][mysql]") {
  Ok ok;
  ok.header = kEofHeader;
  ok.affected_rows = 300;
  ok.last_insert_id = std::uint64_t{1} << 40;
  ok.status = status::kAutocommit | status::kSessionStateChanged;
  ok.warnings = 3;
  ok.info = "Records: 1";
  ok.session_state = from_hex("01 05 04 74 65 73 74");
  Buffer payload;
  append_ok(payload, ok, kModern);
  const auto decoded = decode_ok(payload, kModern);
  REQUIRE(decoded);
  CHECK(decoded->header == kEofHeader);
  CHECK(decoded->affected_rows == ok.affected_rows);
  CHECK(decoded->last_insert_id == ok.last_insert_id);
  CHECK(decoded->status == ok.status);
  CHECK(decoded->warnings == 3);
  CHECK(decoded->info == ok.info);
  CHECK(decoded->session_state == ok.session_state);
}

TEST_CASE("mysql OK: without session tracking there is no session state", "[wire][mysql]") {
  Ok ok;
  ok.status = status::kSessionStateChanged;
  ok.session_state = from_hex("01");
  Buffer payload;
  append_ok(payload, ok, capability::kProtocol41);
  CHECK(payload == from_hex("00 00 00 00 40 00 00"));
}

TEST_CASE("mysql OK: as MariaDB answers a statement with a message", "[wire][mysql]") {
  // insert into scratch(name) values('a'), ('b')
  const Buffer payload = from_hex(
      "00 02 01 02 00 00 00 26 5265636f7264733a20322020 4475706c6963617465733a2030 20"
      "205761726e696e67733a2030");
  const auto ok = decode_ok(payload, capability::kProtocol41);
  REQUIRE(ok);
  CHECK(ok->affected_rows == 2);
  CHECK(ok->last_insert_id == 1);
  CHECK(ok->info == "Records: 2  Duplicates: 0  Warnings: 0");
  const auto tracked = decode_ok(payload, kModern);
  REQUIRE(tracked);
  CHECK(tracked->info == ok->info);
}

TEST_CASE("mysql OK: the documented form of a message is understood too", "[wire][mysql]") {
  const auto ok = decode_ok(from_hex("00 00 00 02 00 00 00 64 6f 6e 65"), capability::kProtocol41);
  REQUIRE(ok);
  CHECK(ok->info == "done");
}

TEST_CASE("mysql OK: other headers are malformed", "[wire][mysql]") {
  CHECK_FALSE(decode_ok(from_hex("01 00 00 02 00 00 00"), kModern));
}

TEST_CASE("mysql OK: every truncation is malformed", "[wire][mysql]") {
  every_truncation_is_malformed(from_hex("00 fc 2c 01 07 02 00 00 00"),
                                [](Bytes bytes) { return decode_ok(bytes, kModern); });
}

TEST_CASE("mysql ERR: round trip", "[wire][mysql]") {
  Buffer payload;
  append_err(payload, {1045, "28000", "Access denied"}, kModern);
  CHECK(payload == from_hex("ff 15 04 23 3238303030 4163636573732064656e696564"));
  const auto err = decode_err(payload);
  REQUIRE(err);
  CHECK(err->code == 1045);
  CHECK(err->sql_state == "28000");
  CHECK(err->message == "Access denied");
}

TEST_CASE("mysql ERR: before the login there is no state", "[wire][mysql]") {
  const auto err = decode_err(from_hex("ff 10 04 546f6f206d616e7920636f6e6e656374696f6e73"));
  REQUIRE(err);
  CHECK(err->code == 1040);
  CHECK(err->sql_state.empty());
  CHECK(err->message == "Too many connections");
  Buffer payload;
  append_err(payload, *err, 0);
  CHECK(payload == from_hex("ff 10 04 546f6f206d616e7920636f6e6e656374696f6e73"));
}

TEST_CASE("mysql ERR: a missing state is sent as the general one", "[wire][mysql]") {
  Buffer payload;
  append_err(payload, {1105, "", "x"}, kModern);
  const auto err = decode_err(payload);
  REQUIRE(err);
  CHECK(err->sql_state == "HY000");
}

TEST_CASE("mysql ERR: code and header are needed", "[wire][mysql]") {
  every_truncation_is_malformed(from_hex("ff 15 04"), decode_err);
  CHECK_FALSE(decode_err(from_hex("00 15 04")));
}

TEST_CASE("mysql EOF: round trip, every truncation and more is malformed", "[wire][mysql]") {
  Buffer payload;
  append_eof(payload, {2, status::kAutocommit | status::kMoreResultsExist});
  CHECK(payload == from_hex("fe 02 00 0a 00"));
  const auto eof = decode_eof(payload);
  REQUIRE(eof);
  CHECK(eof->warnings == 2);
  CHECK(eof->status == 10);
  every_truncation_is_malformed(payload, decode_eof);
  CHECK_FALSE(decode_eof(from_hex("fe 02 00 0a 00 00")));
}

TEST_CASE("mysql progress report: an ERR with code 0xFFFF", "[wire][mysql]") {
  CHECK(is_progress_report(from_hex("ff ff ff 01 01 02 10 27 00 00")));
  CHECK_FALSE(is_progress_report(from_hex("ff ff")));
  CHECK_FALSE(is_progress_report(from_hex("ff ff 04")));
  CHECK_FALSE(is_progress_report(from_hex("00 ff ff")));
}
