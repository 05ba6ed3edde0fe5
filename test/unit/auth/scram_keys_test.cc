#include "auth/scram_keys.hh"

#include <chrono>
#include <string>

#include "support/catch.hh"
#include "support/hex.hh"

using namespace perilune;
using namespace perilune::test;
using namespace perilune::auth;

namespace {

Secret secret(std::string_view text) { return Secret(text); }

std::string verifier(std::string_view password, std::string_view salt, std::uint32_t iterations) {
  return format_scram_verifier(
      make_scram_verifier(derive_scram_keys(secret(password), as_bytes(salt), iterations)));
}

}  // namespace

// By Python's hashlib.
TEST_CASE("scram keys: known answers", "[auth][postgres]") {
  CHECK(verifier("", "salt", 1) ==
        "SCRAM-SHA-256$1:c2FsdA==$ZLuasIkXZj0o2fqXcPLYzzpuBYpt3tJtvx/2hUNTwXo="
        ":F4IbwS68ORUj5EQrkiAz/2EVcQ4SbxB346aV8BbbDbk=");
  CHECK(verifier(std::string(100, 'x'), "ssssssssssssssssssss", 2) ==
        "SCRAM-SHA-256$2:c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M=$OhAjSdsi/xr3I4aJq7fgbJXjQfuj1h2U9iR8wVIhZO4="
        ":2mS4nSIYz4cShzlHkgYmf1VHTpl9l6dyrrmngZT7Rxg=");
}

TEST_CASE("scram keys: the password is prepared", "[auth][postgres]") {
  CHECK(verifier("I\xc2\xadX", "salt", 1) == verifier("IX", "salt", 1));
  CHECK(verifier("IX", "salt", 1) != verifier("ix", "salt", 1));
}

TEST_CASE("scram keys: verifiers as they are stored", "[auth][postgres]") {
  const std::string text = verifier("pencil", "salt of 16 bytes", 4096);
  const auto parsed = parse_scram_verifier(text);
  REQUIRE(parsed);
  CHECK(parsed->iterations == 4096);
  CHECK(as_text(parsed->salt) == "salt of 16 bytes");
  CHECK(format_scram_verifier(*parsed) == text);
  for (std::size_t size = 0; size < text.size(); ++size) {
    CHECK_FALSE(parse_scram_verifier(text.substr(0, size)));
  }
  CHECK_FALSE(parse_scram_verifier(text + "="));
  CHECK_FALSE(parse_scram_verifier("scram" + text.substr(5)));
}

TEST_CASE("scram keys: iterations that are none", "[auth][postgres]") {
  const std::string rest = verifier("pencil", "salt", 1).substr(15);
  CHECK(parse_scram_verifier("SCRAM-SHA-256$2147483647" + rest));
  for (const char* count : {"0", "-1", "2147483648", "", "x", "1 ", " 1"}) {
    CAPTURE(count);
    CHECK_FALSE(parse_scram_verifier(std::string("SCRAM-SHA-256$") + count + rest));
  }
  CHECK_FALSE(parse_scram_verifier("SCRAM-SHA-256$1:" + rest.substr(rest.find('$'))));
}

TEST_CASE("scram keys: limits", "[auth][postgres]") {
  const ScramLimits limits;
  CHECK(limits.allow(1));
  CHECK(limits.allow(4096));
  CHECK_FALSE(limits.allow(100'001));
  CHECK_FALSE(ScramLimits{4096, 10'000}.allow(4095));
}

TEST_CASE("scram key cache: gives what is derived, and keeps so many", "[auth][postgres]") {
  ScramKeyCache cache(2);
  const auto stored = [&](std::string_view password, std::string_view salt, std::uint32_t count) {
    return format_scram_verifier(
        make_scram_verifier(cache.keys(secret(password), as_bytes(salt), count)));
  };
  CHECK(stored("a", "salt", 1) == verifier("a", "salt", 1));
  CHECK(cache.size() == 1);
  CHECK(stored("a", "salt", 1) == verifier("a", "salt", 1));
  CHECK(cache.size() == 1);
  CHECK(stored("b", "salt", 1) == verifier("b", "salt", 1));
  CHECK(stored("a", "tlas", 1) == verifier("a", "tlas", 1));
  CHECK(stored("a", "salt", 2) == verifier("a", "salt", 2));
  CHECK(cache.size() == 2);
  CHECK(stored("b", "salt", 1) == verifier("b", "salt", 1));
  CHECK(cache.size() == 2);
}

TEST_CASE("scram key cache: what is known is not derived again", "[auth][postgres]") {
  ScramKeyCache cache;
  const std::uint32_t slow = 50'000;
  (void)cache.keys(secret("a"), as_bytes("salt"), slow);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) (void)cache.keys(secret("a"), as_bytes("salt"), slow);
  // Deriving them would take fifty million rounds.
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
}
