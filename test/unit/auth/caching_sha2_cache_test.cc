#include "auth/caching_sha2_cache.hh"

#include "auth/mysql_caching_sha2.hh"
#include "support/catch.hh"
#include "verifiers.hh"

using namespace perilune;
using namespace perilune::auth;
using namespace perilune::test;

TEST_CASE("caching_sha2 cache: a password that came once is judged by the fast exchange",
          "[auth][mysql]") {
  auto verifier = parse_mysql_verifier("0x" + std::string(kCachingSha2OfFoobar));
  REQUIRE(verifier);
  auto& hash = std::get<CachingSha2Hash>(*verifier);
  CachingSha2Cache cache;
  CHECK_FALSE(cache.find(hash));
  cache.remember(hash, Secret("foobar"));
  hash.stage2 = cache.find(hash);
  REQUIRE(hash.stage2);
  const MysqlScramble scramble = make_mysql_scramble();
  const Sha256 right = caching_sha2_answer(Secret("foobar"), scramble);
  CHECK(verify_caching_sha2(right, scramble, *hash.stage2));
  const Sha256 wrong = caching_sha2_answer(Secret("fooba"), scramble);
  CHECK_FALSE(verify_caching_sha2(wrong, scramble, *hash.stage2));
}

TEST_CASE("caching_sha2 cache: another hash is another account", "[auth][mysql]") {
  CachingSha2Hash hash;
  CachingSha2Cache cache;
  cache.remember(hash, Secret("x"));
  CachingSha2Hash other = hash;
  other.salt[19] = std::byte{1};
  CHECK_FALSE(cache.find(other));
  other = hash;
  other.crypt[42] = 'x';
  CHECK_FALSE(cache.find(other));
  CHECK(cache.find(hash));
}

TEST_CASE("caching_sha2 cache: bounded", "[auth][mysql]") {
  CachingSha2Cache cache;
  CachingSha2Hash hash;
  for (std::size_t i = 0; i <= CachingSha2Cache::kMost; ++i) {
    hash.salt[0] = static_cast<std::byte>(i);
    hash.salt[1] = static_cast<std::byte>(i >> 8U);
    cache.remember(hash, Secret("x"));
  }
  CHECK(cache.find(hash));
  hash.salt[0] = std::byte{1};
  CHECK_FALSE(cache.find(hash));
}
