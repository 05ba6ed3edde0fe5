#include "auth/saslprep.hh"

#include "support/catch.hh"
#include "support/hex.hh"

using namespace perilune;
using namespace perilune::test;
using auth::Secret;

namespace {

Buffer prepared(std::string_view hex) {
  const Secret result = auth::saslprep(Secret(Bytes(from_hex(hex))));
  return {result.bytes().begin(), result.bytes().end()};
}

}  // namespace

// What Python's stringprep and its normalisation of Unicode 3.2 make of them.
TEST_CASE("saslprep: maps and normalises", "[auth][postgres]") {
  CHECK(prepared("49c2ad58") == from_hex("4958"));          // I, soft hyphen, X
  CHECK(prepared("c2aa") == from_hex("61"));                // feminine ordinal
  CHECK(prepared("e285a8") == from_hex("4958"));            // Roman nine
  CHECK(prepared("61c2a062") == from_hex("612062"));        // no-break space
  CHECK(prepared("41cc8a") == from_hex("c385"));            // A and a ring
  CHECK(prepared("e284abefac81") == from_hex("c3856669"));  // angstrom, ligature
  CHECK(prepared("e18480e185a1") == from_hex("eab080"));    // two Hangul jamo
  CHECK(prepared("d8a731d8a8") == from_hex("d8a731d8a8"));  // right to left
  CHECK(prepared("efb7ba") ==
        from_hex("d8b5d984d98920d8a7d984d984d98720d8b9d984d98ad98720d988d8b3d984d985"));
}

TEST_CASE("saslprep: takes as it is what it cannot prepare", "[auth][postgres]") {
  for (const char* hex : {"", "75736572", "07", "07c3a9", "d8a731", "c2ad", "c8a178", "ff", "c3",
                          "61ff62c3a9", "e28100c3a9"}) {
    CAPTURE(hex);
    CHECK(prepared(hex) == from_hex(hex));
  }
}
