#include "auth/digests.hh"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <memory>
#include <stdexcept>

namespace perilune::auth {

namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};

void require(bool succeeded) {
  if (!succeeded) throw std::runtime_error("OpenSSL cannot compute a digest");
}

template <typename Digest>
Digest digest_of(const EVP_MD* algorithm, std::span<const Bytes> pieces) {
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  require(context && EVP_DigestInit_ex(context.get(), algorithm, nullptr) == 1);
  for (const Bytes piece : pieces) {
    require(EVP_DigestUpdate(context.get(), piece.data(), piece.size()) == 1);
  }
  Digest digest;
  auto* const out = reinterpret_cast<unsigned char*>(digest.data());
  require(EVP_DigestFinal_ex(context.get(), out, nullptr) == 1);
  return digest;
}

}  // namespace

Md5 md5_of(std::span<const Bytes> pieces) { return digest_of<Md5>(EVP_md5(), pieces); }

Sha1 sha1_of(std::span<const Bytes> pieces) { return digest_of<Sha1>(EVP_sha1(), pieces); }

Sha256 sha256_of(std::span<const Bytes> pieces) { return digest_of<Sha256>(EVP_sha256(), pieces); }

Sha512 sha512_of(std::span<const Bytes> pieces) { return digest_of<Sha512>(EVP_sha512(), pieces); }

Sha256 hmac_sha256(Bytes key, Bytes text) {
  Sha256 out;
  unsigned size = 0;
  auto* const at = reinterpret_cast<unsigned char*>(out.data());
  // A null pointer would mean to OpenSSL that the key of the last time is meant.
  const void* const given = key.empty() ? static_cast<const void*>("") : key.data();
  require(HMAC(EVP_sha256(), given, static_cast<int>(key.size()), as_uchars(text), text.size(), at,
               &size) != nullptr);
  return out;
}

}  // namespace perilune::auth
