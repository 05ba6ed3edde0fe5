#include "auth/base64.hh"

#include "support/catch.hh"
#include "support/hex.hh"

using namespace perilune;
using perilune::test::from_hex;

TEST_CASE("base64: there and back", "[auth]") {
  for (const char* hex : {"", "00", "0001", "000102", "fbff", "ffffffff"}) {
    const Buffer bytes = from_hex(hex);
    CHECK(auth::decode_base64(auth::encode_base64(bytes), 4) == bytes);
  }
  CHECK(auth::encode_base64(from_hex("fbefbe ff")) == "++++/w==");
}

TEST_CASE("base64: nothing else is", "[auth]") {
  for (const char* text :
       {"A", "AA", "AA=", "AAA", "AA==A", "A A=", "AA==\n", "AB==", "-_8=", "===="}) {
    CAPTURE(text);
    CHECK_FALSE(auth::decode_base64(text, 100));
  }
}

TEST_CASE("base64: no more than wanted", "[auth]") {
  CHECK(auth::decode_base64("AAAA", 3));
  CHECK_FALSE(auth::decode_base64("AAAA", 2));
  CHECK_FALSE(auth::decode_base64(std::string(1000, 'A'), 2));
}
