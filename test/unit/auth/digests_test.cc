#include "auth/digests.hh"

#include "support/catch.hh"
#include "vectors.hh"

using namespace perilune;
using namespace perilune::auth;
using namespace perilune::test;

// FIPS 180-4 examples (NIST's "SHA1.pdf" and "SHA256.pdf").
TEST_CASE("sha1: published examples", "[auth]") {
  CHECK(sha1(as_bytes("abc")) == array_from_hex<Sha1>("a9993e364706816aba3e25717850c26c9cd0d89d"));
  CHECK(sha1(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
        array_from_hex<Sha1>("84983e441c3bd26ebaae4aa1f95129e5e54670f1"));
  CHECK(sha1(Bytes()) == array_from_hex<Sha1>("da39a3ee5e6b4b0d3255bfef95601890afd80709"));
}

TEST_CASE("sha256: published examples", "[auth]") {
  CHECK(sha256(as_bytes("abc")) ==
        array_from_hex<Sha256>("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
  CHECK(sha256(Bytes()) ==
        array_from_hex<Sha256>("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
}

TEST_CASE("digests: pieces count as one text", "[auth]") {
  CHECK(sha1(as_bytes("a"), as_bytes(""), as_bytes("bc")) == sha1(as_bytes("abc")));
  CHECK(sha256(as_bytes("ab"), as_bytes("c")) == sha256(as_bytes("abc")));
  CHECK(sha256() == sha256(Bytes()));
}

TEST_CASE("xor_into: undoes itself", "[auth]") {
  const Sha1 original = sha1(as_bytes("a"));
  const Sha1 mask = sha1(as_bytes("b"));
  Sha1 value = original;
  xor_into(value, mask);
  CHECK(value != original);
  CHECK(value[0] == (original[0] ^ mask[0]));
  CHECK(value[19] == (original[19] ^ mask[19]));
  xor_into(value, mask);
  CHECK(value == original);
}

// RFC 1321, A.5; RFC 4231, 4.3 and 4.7.
TEST_CASE("digests: MD5 and HMAC", "[auth]") {
  CHECK(test::buffer_of(auth::md5(as_bytes("abc"))) ==
        test::from_hex("900150983cd24fb0d6963f7d28e17f72"));
  CHECK(test::buffer_of(
            auth::hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))) ==
        test::from_hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
  const Buffer key(131, std::byte{0xaa});
  CHECK(test::buffer_of(auth::hmac_sha256(
            key, as_bytes("Test Using Larger Than Block-Size Key - Hash Key First"))) ==
        test::from_hex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
}
