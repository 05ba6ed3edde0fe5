#include "auth/random.hh"

#include <algorithm>
#include <set>

#include "support/catch.hh"

using namespace perilune::auth;

TEST_CASE("make_mysql_scramble: every byte can be part of a C string and is no '$'", "[auth]") {
  std::set<std::byte> seen;
  for (int i = 0; i < 2000; ++i) {
    const MysqlScramble scramble = make_mysql_scramble();
    seen.insert(scramble.begin(), scramble.end());
  }
  CHECK_FALSE(seen.contains(std::byte{0}));
  CHECK_FALSE(seen.contains(std::byte{'$'}));
  CHECK(*seen.rbegin() == std::byte{0x7F});
  // 40,000 draws from 126 values miss one with a probability of about 10^-136.
  CHECK(seen.size() == 126);
}

TEST_CASE("make_mysql_scramble: never the same twice", "[auth]") {
  std::set<MysqlScramble> seen;
  for (int i = 0; i < 1000; ++i) CHECK(seen.insert(make_mysql_scramble()).second);
}
