#include "auth/mysql_native.hh"

#include "support/catch.hh"
#include "vectors.hh"

using namespace perilune;
using namespace perilune::auth;
using namespace perilune::test;

namespace {

// Seed, password and answer as MySQL's JDBC driver made them: kingshard, mysql/util_test.go. The
// digests were computed with Python:
//   s1 = sha1(b"kingshard").digest(); s2 = sha1(s1).digest()
//   answer = bytes(a ^ b for a, b in zip(s1, sha1(scramble + s2).digest()))
constexpr std::string_view kPassword = "kingshard";
const auto kScramble = array_of<MysqlScramble>(as_bytes("@jx=d_3z42;sS$YrS)p|"));
const auto kAnswer = array_from_hex<Sha1>("fbc71db5ac3d7b51048d1a1d88c1677f34bcca11");
const auto kStage1 = array_from_hex<Sha1>("d1a21ce27a20260eeca7596e8b22325040863503");
const auto kVerifier = array_from_hex<Sha1>("a4aa434ba421bb1dd6c5a0ffb4788b08d939bcbb");

}  // namespace

TEST_CASE("mysql_native_password: published answers", "[auth][mysql]") {
  CHECK(native_answer(Secret(kPassword), kScramble) == kAnswer);
  CHECK(native_answer_from_sha1(kStage1, kScramble) == kAnswer);
}

// MySQL's manual: PASSWORD('mypass') and PASSWORD('password').
TEST_CASE("mysql_native_password: the stored form is SHA1(SHA1(password))", "[auth][mysql]") {
  CHECK(sha1(sha1(as_bytes("mypass"))) ==
        array_from_hex<Sha1>("6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4"));
  CHECK(sha1(sha1(as_bytes("password"))) ==
        array_from_hex<Sha1>("2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"));
  CHECK(sha1(kStage1) == kVerifier);
}

TEST_CASE("verify_native: a right answer yields SHA1(password)", "[auth][mysql]") {
  const auto learnt = verify_native(kAnswer, kScramble, kVerifier);
  REQUIRE(learnt);
  CHECK(learnt->equals(Secret(Bytes(kStage1))));
}

TEST_CASE("verify_native: whatever is not the answer yields nothing", "[auth][mysql]") {
  for (std::size_t i = 0; i < kAnswer.size(); ++i) {
    Sha1 wrong = kAnswer;
    wrong[i] ^= std::byte{1};
    CHECK_FALSE(verify_native(wrong, kScramble, kVerifier));
  }
  const Bytes answer(kAnswer);
  CHECK_FALSE(verify_native({}, kScramble, kVerifier));
  CHECK_FALSE(verify_native(answer.first(19), kScramble, kVerifier));
  Buffer longer = buffer_of(kAnswer);
  longer.push_back(std::byte{0});
  CHECK_FALSE(verify_native(longer, kScramble, kVerifier));
  MysqlScramble other = kScramble;
  other[0] ^= std::byte{1};
  CHECK_FALSE(verify_native(kAnswer, other, kVerifier));
  CHECK_FALSE(verify_native(kAnswer, kScramble, kStage1));
}
