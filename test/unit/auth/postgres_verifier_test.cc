#include "auth/postgres_verifier.hh"

#include "auth/postgres_md5.hh"
#include "support/catch.hh"

using namespace perilune;
using namespace perilune::auth;

namespace {

constexpr auto kMd5 = "md5984c3e9256f24b08e5b849d2265593b2";  // of pencil, for anna
constexpr auto kScram =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
    ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

bool matches(std::string_view verifier, std::string_view password, std::string_view user = "anna",
             ScramLimits limits = {}) {
  ScramKeyCache cache;
  const auto parsed = parse_postgres_verifier(verifier);
  REQUIRE(parsed);
  return is_password(Secret(password), clone(*parsed), user, cache, limits);
}

template <typename T>
bool is(std::string_view text) {
  const auto parsed = parse_postgres_verifier(text);
  return parsed && std::holds_alternative<T>(*parsed);
}

}  // namespace

TEST_CASE("postgres verifier: the kinds", "[auth][postgres]") {
  CHECK(is<PostgresMd5Hash>(kMd5));
  CHECK(is<ScramVerifier>(kScram));
  CHECK(is<ClearPassword>("pencil"));
  CHECK(is<ClearPassword>(""));
  CHECK(is<ClearPassword>("md5984C3E9256F24B08E5B849D2265593B2"));
  CHECK(is<ClearPassword>("md5984c3e9256f24b08e5b849d2265593b"));
  CHECK(is<ClearPassword>("SCRAM-SHA-256$4096:"));
  CHECK_FALSE(parse_postgres_verifier(std::string_view("a\0b", 3)));
}

TEST_CASE("postgres verifier: passwords compared", "[auth][postgres]") {
  for (const char* verifier : {"pencil", kMd5, kScram}) {
    CAPTURE(verifier);
    CHECK(matches(verifier, "pencil"));
    CHECK_FALSE(matches(verifier, "Pencil"));
    CHECK_FALSE(matches(verifier, ""));
  }
  CHECK_FALSE(matches(kMd5, "pencil", "bert"));
  CHECK(matches(kScram, "pencil", "bert"));
  CHECK_FALSE(matches(kScram, "pencil", "anna", {1, 4095}));
}

TEST_CASE("postgres verifier: anybody and nobody", "[auth][postgres]") {
  ScramKeyCache cache;
  CHECK(is_password(Secret(), AnyPassword(), "anna", cache, {}));
  CHECK_FALSE(is_password(Secret(), Nobody(), "anna", cache, {}));
}

// By Python's hashlib, and as libpq answered PostgreSQL 15.
TEST_CASE("postgres md5: known answers", "[auth][postgres]") {
  const Secret password(std::string_view("pencil"));
  const Secret hash = postgres_md5_hash(password, "anna");
  CHECK(as_text(hash.bytes()) == std::string_view(kMd5).substr(3));
  CHECK(postgres_md5_answer(hash, as_bytes("\1\2\3\4")) == "md57df77f9b6d18232379434c001cb33f20");
  CHECK(postgres_md5_answer(postgres_md5_hash(password, "md5"), as_bytes("\x0e\xc1\x8e\xa1")) ==
        "md56fcc8b30cffd76ace01a1b4fffc0273e");
}
