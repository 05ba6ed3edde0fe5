#include "auth/ed25519.hh"

#include "support/catch.hh"
#include "vectors.hh"

using namespace perilune;
using namespace perilune::auth;
using namespace perilune::test;

namespace {

struct Vector {
  Buffer secret;
  Buffer message;
  Ed25519Key key;
  Ed25519Signature signature;
};

// RFC 8032, 7.1: tests 1, 2 and 3; then MariaDB server, plugin/auth_ed25519/ed25519-t.c.
std::vector<Vector> published() {
  return {
      {from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"),
       {},
       array_from_hex<Ed25519Key>(
           "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"),
       array_from_hex<Ed25519Signature>("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522"
                                        "4901555fb8821590a33bacc61e3970"
                                        "1cf9b46bd25bf5f0595bbe24655141438e7a100b")},
      {from_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"), from_hex("72"),
       array_from_hex<Ed25519Key>(
           "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"),
       array_from_hex<Ed25519Signature>("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223eb"
                                        "db69da085ac1e43e15996e458f3613"
                                        "d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")},
      {from_hex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"),
       from_hex("af82"),
       array_from_hex<Ed25519Key>(
           "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"),
       array_from_hex<Ed25519Signature>("6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db"
                                        "5ac3ac18ff9b538d16f290ae67f760"
                                        "984dc6594a7c15e9716ed28dc027beceea1ec40a")},
      {buffer_of(as_bytes("foobar")), Buffer(32, std::byte{'A'}),
       array_from_hex<Ed25519Key>(
           "aafda61ba1d60aecb7d9295be71855e131d2b5ec0dcf65483553db824f97009f"),
       array_from_hex<Ed25519Signature>("e83dc93f433f33355649ee23aa7592d61a1123090884f58d3063423a24"
                                        "e4305473febba858a2f93923554fee"
                                        "a76a44753887ab2f140e854f0fe57ca0b0648a0e")},
  };
}

}  // namespace

TEST_CASE("ed25519: published keys and signatures", "[auth]") {
  for (const Vector& vector : published()) {
    CHECK(ed25519_public_key(vector.secret) == vector.key);
    CHECK(ed25519_sign(vector.secret, vector.message) == vector.signature);
    CHECK(ed25519_verify(vector.key, vector.message, vector.signature));
    CHECK(is_ed25519_key(vector.key));
  }
}

TEST_CASE("ed25519: whatever is not the signature is refused", "[auth]") {
  const Vector vector = published().back();
  const Bytes whole(vector.signature);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CHECK_FALSE(ed25519_verify(vector.key, vector.message, whole.first(n)));
    Ed25519Signature wrong = vector.signature;
    wrong[n] ^= std::byte{1};
    CHECK_FALSE(ed25519_verify(vector.key, vector.message, wrong));
  }
  Buffer longer = buffer_of(vector.signature);
  longer.push_back(std::byte{0});
  CHECK_FALSE(ed25519_verify(vector.key, vector.message, longer));
  Buffer message = vector.message;
  message[10] = std::byte{'B'};
  CHECK_FALSE(ed25519_verify(vector.key, message, whole));
  CHECK_FALSE(ed25519_verify(published().front().key, vector.message, whole));
}

TEST_CASE("ed25519: the empty secret signs too", "[auth]") {
  const Ed25519Key key = ed25519_public_key({});
  CHECK(ed25519_verify(key, as_bytes("m"), ed25519_sign({}, as_bytes("m"))));
  CHECK_FALSE(is_ed25519_key(Ed25519Key{}));
}
