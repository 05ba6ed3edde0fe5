#include "auth/sha256_crypt.hh"

#include <string>
#include <string_view>

#include "support/catch.hh"
#include "vectors.hh"

using namespace perilune;
using namespace perilune::auth;
using namespace perilune::test;

namespace {

std::string crypt(std::string_view password, Bytes salt, unsigned rounds) {
  const Sha256Crypt hash = sha256_crypt(as_bytes(password), salt, rounds);
  return std::string(hash.begin(), hash.end());
}

}  // namespace

// The vectors of SHA-crypt.txt; they hold for the C library's crypt() too.
TEST_CASE("sha256_crypt: published hashes", "[auth]") {
  CHECK(crypt("Hello world!", as_bytes("saltstring"), 5000) ==
        "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5");
  CHECK(crypt("Hello world!", as_bytes("saltstringsaltst"), 10000) ==
        "3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA");
  CHECK(crypt("we have a short salt string but not a short password", as_bytes("short"), 77777) ==
        "JiO1O3ZpDAxGJeaDIuqCoEFysAe1mZNJRs3pw0KQRd/");
  CHECK(crypt("the minimum number is still observed", as_bytes("roundstoolow"), 1000) ==
        "yfvwcWrQ8l/K0DAWyuPMDNHpIVlTQebY9l/gL972bIC");
}

// Made by a MySQL server for the password foobar: wescale, go/mysql/auth_server_mysql_base_test.go.
TEST_CASE("sha256_crypt: a MySQL server's hash with a salt of 20 bytes", "[auth][mysql]") {
  CHECK(crypt("foobar", from_hex("031A69251C34295C4B35167C7F1E5A7B63091349"), 5000) ==
        "P9tbM4PKZBFy5HV3hhhoRHZsnJs3hxnBuuQlsDdiIe7");
}

TEST_CASE("sha256_crypt: every part counts", "[auth]") {
  const std::string hash = crypt("password", as_bytes("salt"), 1000);
  CHECK(crypt("passwore", as_bytes("salt"), 1000) != hash);
  CHECK(crypt("password", as_bytes("sals"), 1000) != hash);
  CHECK(crypt("password", as_bytes("salt"), 1001) != hash);
  CHECK(crypt("", {}, 1) != crypt("", {}, 2));
}
