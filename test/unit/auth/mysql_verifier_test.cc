#include "auth/mysql_verifier.hh"

#include <sodium.h>

#include "support/catch.hh"
#include "vectors.hh"
#include "verifiers.hh"

using namespace perilune;
using namespace perilune::auth;
using namespace perilune::test;

namespace {

MysqlVerifier parse(std::string_view text) {
  auto verifier = parse_mysql_verifier(text);
  REQUIRE(verifier);
  return *std::move(verifier);
}

template <typename Kind>
void check_kind(std::string_view text, std::string_view password) {
  CAPTURE(text);
  const MysqlVerifier verifier = parse(text);
  REQUIRE(std::holds_alternative<Kind>(verifier));
  CHECK(is_password(Secret(password), verifier));
  CHECK(is_password(Secret(password), clone(verifier)));
  CHECK_FALSE(is_password(Secret(std::string(password) + "x"), verifier));
  CHECK_FALSE(is_password(Secret(), verifier));
}

}  // namespace

TEST_CASE("mysql verifier: the stored forms, from published hashes", "[auth][mysql]") {
  // MySQL's manual: PASSWORD('mypass').
  check_kind<NativeHash>("*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4", "mypass");
  check_kind<NativeHash>("*6c8989366eaf75bb670ad8ea7a7fc1176a95cef4", "mypass");
  // wescale, go/mysql/auth_server_mysql_base_test.go
  check_kind<CachingSha2Hash>(as_text(from_hex(kCachingSha2OfFoobar)), "foobar");
  check_kind<CachingSha2Hash>("0x" + std::string(kCachingSha2OfFoobar), "foobar");
  // MariaDB's manual: ed25519_password('secret').
  check_kind<Ed25519Hash>("ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY", "secret");
  check_kind<ParsecHash>(parsec_text("secret", 0), "secret");
  check_kind<ParsecHash>(parsec_text("secret", 2), "secret");
  check_kind<ClearPassword>("correct horse", "correct horse");
}

TEST_CASE("mysql verifier: the rounds are hexadecimal thousands", "[auth][mysql]") {
  Buffer text = from_hex(kCachingSha2OfFoobar);
  const auto rounds = [&](std::string_view digits) {
    std::ranges::copy(as_bytes(digits), text.begin() + 3);
    return std::get<CachingSha2Hash>(parse(as_text(text))).rounds;
  };
  CHECK(rounds("005") == 5000);
  CHECK(rounds("01F") == 31'000);
  CHECK(rounds("fff") == 4'095'000);
  for (const std::string_view digits : {"000", "0x5", " 05", "g00"}) {
    std::ranges::copy(as_bytes(digits), text.begin() + 3);
    CHECK(std::holds_alternative<ClearPassword>(parse(as_text(text))));
  }
}

TEST_CASE("mysql verifier: what is not quite a stored form is the clear password",
          "[auth][mysql]") {
  const Buffer caching_sha2 = from_hex(kCachingSha2OfFoobar);
  const std::string parsec = parsec_text("secret", 0);
  const std::string hex = "0x" + std::string(kCachingSha2OfFoobar);
  for (const std::string_view whole :
       {std::string_view("*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4"), as_text(caching_sha2),
        std::string_view(hex), std::string_view("ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY"),
        std::string_view(parsec)}) {
    for (std::size_t n = 0; n < whole.size(); ++n) {
      const MysqlVerifier cut = parse(whole.substr(0, n));
      REQUIRE(std::holds_alternative<ClearPassword>(cut));
      CHECK(std::get<ClearPassword>(cut).password.equals(Secret(whole.substr(0, n))));
    }
    CHECK(std::holds_alternative<ClearPassword>(parse(std::string(whole) + "x")));
  }
  for (const std::string_view other :
       {"*6C8989366EAF75BB670AD8EA7A7FC1176A95CEFG", "6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4",
        "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJ=",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "P0:WW9sXaaL/o:vubFBzIrapbfHct1/J72dnUryz5VS7lA6XHH8sIx4TI"}) {
    CHECK(std::holds_alternative<ClearPassword>(parse(other)));
  }
}

TEST_CASE("mysql verifier: parsec's factor has a limit", "[auth][mysql]") {
  std::string text = parsec_text("secret", 0);
  text[1] = '8';
  CHECK(std::get<ParsecHash>(parse(text)).salt.factor == kMaxParsecFactor);
  for (const char factor : {'9', '/', ':', 'A', '\xff'}) {
    text[1] = factor;
    CHECK(std::holds_alternative<ClearPassword>(parse(text)));
  }
}

TEST_CASE("mysql verifier: a NUL is an error, and the message does not show the text",
          "[auth][mysql]") {
  const auto refused = parse_mysql_verifier(std::string_view("sec\0ret", 7));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "a password cannot contain a NUL");
}

TEST_CASE("mysql verifier: any password is right, or none", "[auth][mysql]") {
  for (const std::string_view password : {"", "x", "a longer one"}) {
    CHECK(is_password(Secret(password), AnyPassword()));
    CHECK_FALSE(is_password(Secret(password), Nobody()));
  }
}

TEST_CASE("mysql verifier: a password longer than MySQL takes is never crypted", "[auth][mysql]") {
  CachingSha2Hash hash;
  const auto crypted = [&](std::size_t size) {
    const std::string password(size, 'x');
    hash.crypt = sha256_crypt(as_bytes(password), hash.salt, hash.rounds);
    return is_password(Secret(password), hash);
  };
  CHECK(crypted(256));
  CHECK_FALSE(crypted(257));
}
