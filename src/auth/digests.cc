#include "auth/digests.hh"

#include <openssl/evp.h>

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

Sha1 sha1_of(std::span<const Bytes> pieces) { return digest_of<Sha1>(EVP_sha1(), pieces); }

Sha256 sha256_of(std::span<const Bytes> pieces) { return digest_of<Sha256>(EVP_sha256(), pieces); }

Sha512 sha512_of(std::span<const Bytes> pieces) { return digest_of<Sha512>(EVP_sha512(), pieces); }

}  // namespace perilune::auth
