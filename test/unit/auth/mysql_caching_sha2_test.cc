#include "auth/mysql_caching_sha2.hh"

#include "support/catch.hh"
#include "vectors.hh"

using namespace perilune;
using namespace perilune::auth;
using namespace perilune::test;

namespace {

// Scramble and answers: go-sql-driver/mysql, auth_test.go. The digests were computed with Python's
// hashlib: sha256(b"secret") and sha256 of that.
const auto kScramble = array_from_hex<MysqlScramble>("0a2f4a6f4b492230584c724a250d035052021715");
const auto kAnswer =
    array_from_hex<Sha256>("f490e76f66d9d86665ce54d98c78d0acfe2fb0b08b423da807144873d30b312c");
const auto kStage1 =
    array_from_hex<Sha256>("2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b");
const auto kVerifier =
    array_from_hex<Sha256>("3881219d087dd9c634373fd33dfa33a2cb6bfc6c520b64b8bb60ef2ceb534ae7");

}  // namespace

TEST_CASE("caching_sha2_password: published fast answers", "[auth][mysql]") {
  CHECK(caching_sha2_answer(Secret(std::string_view("secret")), kScramble) == kAnswer);
  CHECK(caching_sha2_answer(Secret(std::string_view("secret2")), kScramble) ==
        array_from_hex<Sha256>("abc3934a012cf342e876071c8ee202de51785b430258a7a0138bc79c4d800bc6"));
}

TEST_CASE("verify_caching_sha2: a right answer yields SHA256(password)", "[auth][mysql]") {
  const auto learnt = verify_caching_sha2(kAnswer, kScramble, kVerifier);
  REQUIRE(learnt);
  CHECK(learnt->equals(Secret(Bytes(kStage1))));
}

TEST_CASE("verify_caching_sha2: whatever is not the answer yields nothing", "[auth][mysql]") {
  for (std::size_t i = 0; i < kAnswer.size(); ++i) {
    Sha256 wrong = kAnswer;
    wrong[i] ^= std::byte{0x80};
    CHECK_FALSE(verify_caching_sha2(wrong, kScramble, kVerifier));
  }
  const Bytes answer(kAnswer);
  CHECK_FALSE(verify_caching_sha2({}, kScramble, kVerifier));
  CHECK_FALSE(verify_caching_sha2(answer.first(20), kScramble, kVerifier));
  MysqlScramble other = kScramble;
  other[19] ^= std::byte{1};
  CHECK_FALSE(verify_caching_sha2(kAnswer, other, kVerifier));
  CHECK_FALSE(verify_caching_sha2(kAnswer, kScramble, kStage1));
}
