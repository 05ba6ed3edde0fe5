#include "auth/mysql_clear.hh"

#include "support/catch.hh"
#include "support/hex.hh"

using namespace perilune;
using namespace perilune::auth;

TEST_CASE("mysql_clear_password: the password and a NUL, in memory of just that size",
          "[auth][mysql]") {
  const Buffer answer = clear_answer(Secret(std::string_view("pass")));
  CHECK(answer == test::from_hex("70 61 73 73 00"));
  CHECK(answer.capacity() == answer.size());
  CHECK(clear_answer(Secret()) == Buffer(1));
}
