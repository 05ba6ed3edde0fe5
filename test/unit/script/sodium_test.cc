#include "support/catch.hh"
#include "told.hh"

namespace perilune::script {

using test::caught;
using test::told;

TEST_CASE("script sodium: hexadecimal texts", "[script]") {
  CHECK(told("return sodium.bin2hex('\\0\\255az')") == "00ff617a");
  CHECK(told("return sodium.bin2hex('') .. '.'") == ".");
  CHECK(told("return sodium.hex2bin('617A') .. sodium.hex2bin('')") == "az");
  for (const char* hex : {"6 1", "6", "0x61", "g0", "61 ", "61:62"}) {
    CHECK(told(std::string("return sodium.hex2bin('") + hex + "')") == "nil");
  }
  CHECK(caught("sodium.bin2hex()").ends_with("1 argument expected, got 0"));
  CHECK(caught("sodium.hex2bin('61', 2)").ends_with("1 argument expected, got 2"));
}

TEST_CASE("script sodium: random bytes", "[script]") {
  CHECK(told("return #sodium.randombytes(1) + #sodium.randombytes(1048576)") == "1048577");
  CHECK(told("return sodium.randombytes(16) == sodium.randombytes(16)") == "false");
  CHECK(caught("sodium.randombytes(0)").ends_with("(Size is too small)"));
  CHECK(caught("sodium.randombytes(0/0)").ends_with("(Size is too small)"));
  CHECK(caught("sodium.randombytes(1048577)").ends_with("(Size is too large)"));
}

TEST_CASE("script sodium: sealed boxes", "[script]") {
  CHECK(told(R"(local pk, sk = sodium.crypto_box_keypair()
                local c = sodium.crypto_box_seal('hello', pk)
                assert(#pk == 32 and #sk == 32 and #c == 5 + 48)
                assert(sodium.crypto_scalarmult_base(sk) == pk)
                return sodium.crypto_box_seal_open(c, pk, sk))") == "hello");
  CHECK(told(R"(local pk, sk = sodium.crypto_box_keypair()
                return sodium.crypto_box_seal_open(('x'):rep(48), pk, sk))") == "nil");
  CHECK(caught("sodium.crypto_box_seal('x', 'short')").ends_with("(Malformed public key)"));
  CHECK(caught("sodium.crypto_box_seal('x', ('\\0'):rep(32))").ends_with("(Malformed public key)"));
  CHECK(caught("sodium.crypto_box_seal_open(('x'):rep(47), ('p'):rep(32), ('s'):rep(32))")
            .ends_with("(Malformed ciphertext)"));
  CHECK(caught("sodium.crypto_box_seal_open(('x'):rep(48), ('p'):rep(32), 's')")
            .ends_with("(Malformed secret key)"));
  CHECK(caught("sodium.crypto_scalarmult_base('s')").ends_with("(Malformed secret key)"));
}

// Computed by PyNaCl.
TEST_CASE("script sodium: the public key of a known secret one", "[script]") {
  CHECK(told("local sk = '' for i = 0, 31 do sk = sk .. string.char(i) end "
             "return sodium.bin2hex(sodium.crypto_scalarmult_base(sk))") ==
        "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f");
}

TEST_CASE("script sodium: signatures", "[script]") {
  CHECK(told(R"(local pk, sk = sodium.crypto_sign_keypair()
                local s = sodium.crypto_sign_detached('hello', sk)
                assert(#pk == 32 and #sk == 64 and #s == 64)
                assert(sodium.crypto_sign_verify_detached(s, 'hello', pk) == true)
                assert(sodium.crypto_sign_verify_detached(s, 'hellO', pk) == false)
                return tostring(sodium.crypto_sign_verify_detached(s .. 'x', 'hello', pk)))") ==
        "nil");
  CHECK(caught("sodium.crypto_sign_detached('x', ('s'):rep(32))")
            .ends_with("(Malformed secret key)"));
  CHECK(caught("sodium.crypto_sign_verify_detached(('s'):rep(64), 'x', 'p')")
            .ends_with("(Malformed public key)"));
  CHECK(caught("sodium.crypto_sign_keypair(1)").ends_with("0 arguments expected, got 1"));
}

}  // namespace perilune::script
