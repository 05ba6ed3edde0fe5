#include "wire/postgres/notice.hh"

#include "support/catch.hh"
#include "support/hex.hh"
#include "wire/postgres/framing.hh"

using namespace perilune;
using namespace perilune::test;
using namespace perilune::wire::postgres;

namespace {

Buffer fields(std::string_view text) {
  Buffer body;
  for (const char c : text) body.push_back(c == '|' ? std::byte{0} : static_cast<std::byte>(c));
  return body;
}

}  // namespace

TEST_CASE("postgres notice: a server's error", "[wire][postgres]") {
  const Buffer body =
      fields("SFEHLER|VERROR|C22012|MDivision durch Null|DA detail|HA hint|Fint.c|L853|Rint4div||");
  const auto notice = decode_notice(body);
  REQUIRE(notice);
  CHECK(notice->severity == "ERROR");
  CHECK(notice->sql_state == "22012");
  CHECK(notice->message == "Division durch Null");
  CHECK(notice->detail == "A detail");
  CHECK(notice->hint == "A hint");
  CHECK_FALSE(notice->is_fatal());
  for (std::size_t size = 0; size < body.size(); ++size) {
    CHECK_FALSE(decode_notice(Bytes{body}.first(size)));
  }
}

TEST_CASE("postgres notice: fatal in English or by the server's word", "[wire][postgres]") {
  CHECK(decode_notice(fields("SFATAL||"))->is_fatal());
  CHECK(decode_notice(fields("VPANIC|Spanique||"))->is_fatal());
  CHECK(decode_notice(fields("|"))->message.empty());
  CHECK_FALSE(decode_notice(fields("||")));
}

TEST_CASE("postgres notice: our own errors", "[wire][postgres]") {
  Buffer out;
  Error error;
  error.severity = Severity::Fatal;
  error.sql_state = sqlstate::kAdminShutdown;
  error.message = "the proxy shuts down";
  error.hint = "come again";
  append_error(out, error);
  const auto message = front_message(out, 1000);
  REQUIRE((message && message->complete));
  CHECK(message->tag == 'E');
  CHECK(as_text(message->body) ==
        as_text(fields("SFATAL|VFATAL|C57P01|Mthe proxy shuts down|Hcome again||")));
}

TEST_CASE("postgres notice: an error always has a code and a message", "[wire][postgres]") {
  for (const char* state : {"", "1234", "123456", "abcde", "57p01", "57-01"}) {
    Buffer out;
    Error error;
    error.sql_state = state;
    append_error(out, error);
    const auto notice = decode_notice(Bytes{out}.subspan(kHeaderSize));
    REQUIRE(notice);
    CHECK(notice->sql_state == "XX000");
    CHECK(as_text(out).find(std::string_view("\0M\0", 3)) != std::string_view::npos);
  }
}

TEST_CASE("postgres notice: a NUL ends a message", "[wire][postgres]") {
  Buffer out;
  Error error;
  error.message = std::string_view("one\0two", 7);
  append_error(out, error);
  CHECK(decode_notice(Bytes{out}.subspan(kHeaderSize))->message == "one");
}
