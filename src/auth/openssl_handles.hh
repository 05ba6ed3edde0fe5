#pragma once

// Owners of OpenSSL's objects; for auth's own .cc files.

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string_view>

namespace perilune::auth {

struct FreeOpenssl {
  void operator()(BIO* bio) const noexcept { BIO_free(bio); }
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const noexcept { X509_free(certificate); }
  void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
};

template <typename T>
using Openssl = std::unique_ptr<T, FreeOpenssl>;

// A key of 16,384 bits, the most that OpenSSL uses, has less than 16 KiB.
inline constexpr std::size_t kMaxPem = 16384;

// Null if there is no memory or too much text. Reads `pem` in place.
inline Openssl<BIO> open_pem(std::string_view pem) {
  if (pem.size() > kMaxPem) return nullptr;
  return Openssl<BIO>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

}  // namespace perilune::auth
