#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>

#include "util/bytes.hh"

namespace perilune::test {

struct FreeKey {
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};

// A server's key pair, made anew for a test.
class RsaKey {
 public:
  explicit RsaKey(unsigned bits);

  std::string public_pem() const;
  // What the server reads: the plain text after OAEP; throws if it is none.
  Buffer decrypt(Bytes cipher) const;

 private:
  std::unique_ptr<EVP_PKEY, FreeKey> key_;
};

// A public key that cannot encrypt.
std::string ed25519_public_pem();

}  // namespace perilune::test
