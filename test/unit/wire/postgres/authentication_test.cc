#include "wire/postgres/authentication.hh"

#include "support/catch.hh"
#include "support/hex.hh"
#include "unit/wire/postgres/session_file.hh"
#include "wire/postgres/framing.hh"

using namespace perilune;
using namespace perilune::test;
using namespace perilune::test::postgres;
using namespace perilune::wire::postgres;
using Kind = RecordedStep::Kind;

namespace {

// The body of the only message in `bytes`.
Buffer body_of(const Buffer& bytes) {
  const auto message = front_message(bytes, kMaxAuthMessage);
  REQUIRE((message && message->complete && message->size == bytes.size()));
  return Buffer(message->body.begin(), message->body.end());
}

std::vector<Authentication> requests(const std::vector<Buffer>& bodies) {
  std::vector<Authentication> all;
  for (const Buffer& body : bodies) {
    const auto message = decode_authentication(body);
    REQUIRE(message);
    all.push_back(*message);
  }
  return all;
}

}  // namespace

TEST_CASE("postgres authentication: a login by SCRAM", "[wire][postgres]") {
  const RecordedSession session = recorded_session("login_scram");
  const auto bodies = login_bodies(session, Kind::Server, 'R');
  const auto asked = requests(bodies);
  REQUIRE(asked.size() == 4);
  CHECK(asked[0].request == AuthRequest::Sasl);
  CHECK(asked[1].request == AuthRequest::SaslContinue);
  CHECK(asked[2].request == AuthRequest::SaslFinal);
  CHECK(asked[3].request == AuthRequest::Ok);
  const auto mechanisms = decode_mechanisms(asked[0].data);
  REQUIRE(mechanisms);
  CHECK(*mechanisms == std::vector<std::string_view>{kScramSha256});
  Buffer again;
  append_authentication_sasl(again, *mechanisms);
  CHECK(body_of(again) == bodies[0]);

  const auto answers = login_bodies(session, Kind::Client, 'p');
  REQUIRE(answers.size() == 2);
  const auto initial = decode_sasl_initial_response(answers[0]);
  REQUIRE(initial);
  CHECK(initial->mechanism == kScramSha256);
  CHECK(as_text(initial->data).starts_with("n,,n=,r="));
  again.clear();
  append_sasl_initial_response(again, *initial);
  CHECK(body_of(again) == answers[0]);
}

TEST_CASE("postgres authentication: passwords", "[wire][postgres]") {
  const RecordedSession clear = recorded_session("login_clear");
  CHECK(requests(login_bodies(clear, Kind::Server, 'R'))[0].request ==
        AuthRequest::CleartextPassword);
  CHECK(*decode_password(login_bodies(clear, Kind::Client, 'p').at(0)) == "pencil");

  const RecordedSession md5 = recorded_session("login_md5");
  const auto bodies = login_bodies(md5, Kind::Server, 'R');
  const auto asked = requests(bodies);
  CHECK(asked[0].request == AuthRequest::Md5Password);
  CHECK(asked[0].data.size() == 4);
  CHECK(decode_password(login_bodies(md5, Kind::Client, 'p').at(0))->starts_with("md5"));

  CHECK(*decode_password(from_hex("00")) == "");
  CHECK_FALSE(decode_password(from_hex("")));
  CHECK_FALSE(decode_password(from_hex("61")));
  CHECK_FALSE(decode_password(from_hex("6100 62")));
  Buffer out;
  append_password(out, as_bytes("ab"));
  CHECK(out == from_hex("70 00000007 616200"));
}

TEST_CASE("postgres authentication: malformed requests", "[wire][postgres]") {
  CHECK_FALSE(decode_authentication(from_hex("000000")));
  CHECK_FALSE(decode_authentication(from_hex("00000005 010203")));
  CHECK_FALSE(decode_authentication(from_hex("00000005 0102030405")));
  CHECK_FALSE(decode_mechanisms(from_hex("")));
  CHECK_FALSE(decode_mechanisms(from_hex("6100")));
  CHECK_FALSE(decode_mechanisms(from_hex("6100 00 00")));
  CHECK(decode_mechanisms(from_hex("00"))->empty());
}

TEST_CASE("postgres authentication: initial responses", "[wire][postgres]") {
  CHECK_FALSE(decode_sasl_initial_response(from_hex("6100 ffffffff"))->has_data);
  CHECK(decode_sasl_initial_response(from_hex("6100 00000000"))->has_data);
  CHECK_FALSE(decode_sasl_initial_response(from_hex("6100 00000002 62")));
  CHECK_FALSE(decode_sasl_initial_response(from_hex("6100 00000001 6263")));
  CHECK_FALSE(decode_sasl_initial_response(from_hex("6100 fffffffe 62")));
  CHECK_FALSE(decode_sasl_initial_response(from_hex("61")));
}

TEST_CASE("postgres authentication: cancel keys", "[wire][postgres]") {
  const RecordedSession session = recorded_session("simple");
  const auto body = login_bodies(session, Kind::Server, 'K').at(0);
  const auto data = decode_backend_key_data(body);
  REQUIRE(data);
  CHECK(data->key.size() == kOldCancelKeySize);
  Buffer out;
  append_backend_key_data(out, *data);
  CHECK(body_of(out) == body);
  CHECK_FALSE(decode_backend_key_data(from_hex("00000001")));
  CHECK(decode_backend_key_data(Buffer(4 + kMaxCancelKeySize)));
  CHECK_FALSE(decode_backend_key_data(Buffer(5 + kMaxCancelKeySize)));
}

TEST_CASE("postgres authentication: parameters of the server", "[wire][postgres]") {
  const RecordedSession session = recorded_session("simple");
  bool found = false;
  for (const Buffer& body : login_bodies(session, Kind::Server, 'S')) {
    const auto status = decode_parameter_status(body);
    REQUIRE(status);
    found = found || status->name == "server_version";
    Buffer out;
    append_parameter_status(out, *status);
    CHECK(body_of(out) == body);
  }
  CHECK(found);
  CHECK_FALSE(decode_parameter_status(from_hex("6100")));
  CHECK_FALSE(decode_parameter_status(from_hex("6100 6200 63")));
}

TEST_CASE("postgres authentication: ready", "[wire][postgres]") {
  CHECK(*decode_ready_for_query(from_hex("49")) == TransactionStatus::Idle);
  CHECK(*decode_ready_for_query(from_hex("54")) == TransactionStatus::InTransaction);
  CHECK(*decode_ready_for_query(from_hex("45")) == TransactionStatus::Failed);
  CHECK_FALSE(decode_ready_for_query(from_hex("41")));
  CHECK_FALSE(decode_ready_for_query(from_hex("")));
  CHECK_FALSE(decode_ready_for_query(from_hex("4949")));
  Buffer out;
  append_ready_for_query(out, TransactionStatus::Failed);
  CHECK(out == from_hex("5a 00000005 45"));
}
