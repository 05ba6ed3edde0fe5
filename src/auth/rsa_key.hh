#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "auth/error.hh"
#include "auth/secret.hh"
#include "util/bytes.hh"
#include "util/result.hh"

struct evp_pkey_st;

namespace perilune::auth {

// The key pair of a listener, with which clients encrypt passwords over plain connections. Made
// once (that takes a good part of a second) and then only read: from any number of threads.
class RsaKey {
 public:
  // 2,048 bits; std::runtime_error if OpenSSL cannot.
  static RsaKey generate();

  // A private key without a passphrase, of 2,048 bits or more.
  static Result<RsaKey, AuthError> from_pem(std::string_view private_key);

  const std::string& public_pem() const noexcept { return public_pem_; }

  // How many bytes each ciphertext has.
  std::size_t cipher_size() const noexcept { return cipher_size_; }

  // OAEP with SHA1, as MySQL's clients encrypt. Nobody may learn from the client's treatment why
  // this failed: treat it as a wrong password.
  Result<Secret, AuthError> decrypt(Bytes cipher) const;

 private:
  struct Free {
    void operator()(evp_pkey_st* key) const noexcept;
  };

  explicit RsaKey(std::unique_ptr<evp_pkey_st, Free> key);

  std::unique_ptr<evp_pkey_st, Free> key_;
  std::string public_pem_;
  std::size_t cipher_size_;
};

}  // namespace perilune::auth
