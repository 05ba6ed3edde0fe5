#include "auth/channel_binding.hh"

#include <openssl/x509.h>

#include "auth/openssl_handles.hh"

namespace perilune::auth {

namespace {

const EVP_MD* hash_for(X509& certificate) noexcept {
  int nid = NID_undef;
  if (X509_get_signature_info(&certificate, &nid, nullptr, nullptr, nullptr) != 1) return nullptr;
  if (nid == NID_md5 || nid == NID_sha1) return EVP_sha256();
  return EVP_get_digestbynid(nid);
}

}  // namespace

std::optional<Buffer> tls_server_end_point(Bytes certificate_der) {
  const unsigned char* at = as_uchars(certificate_der);
  const Openssl<X509> certificate(
      d2i_X509(nullptr, &at, static_cast<long>(certificate_der.size())));
  if (!certificate || at != as_uchars(certificate_der) + certificate_der.size())
    return std::nullopt;
  const EVP_MD* const hash = hash_for(*certificate);
  if (hash == nullptr) return std::nullopt;
  Buffer digest(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  if (EVP_Digest(certificate_der.data(), certificate_der.size(),
                 reinterpret_cast<unsigned char*>(digest.data()), &size, hash, nullptr) != 1) {
    return std::nullopt;
  }
  digest.resize(size);
  return digest;
}

}  // namespace perilune::auth
