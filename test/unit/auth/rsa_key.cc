#include "rsa_key.hh"

#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <stdexcept>

namespace perilune::test {

namespace {

struct FreeBio {
  void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};
struct FreeContext {
  void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
};

void require(bool succeeded) {
  if (!succeeded) throw std::runtime_error("OpenSSL failed in a test's key");
}

std::string pem_of(EVP_PKEY* key) {
  const std::unique_ptr<BIO, FreeBio> bio(BIO_new(BIO_s_mem()));
  require(bio && PEM_write_bio_PUBKEY(bio.get(), key) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(size));
}

}  // namespace

RsaKey::RsaKey(unsigned bits)
    : key_(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{bits})) {
  require(key_ != nullptr);
}

std::string RsaKey::public_pem() const { return pem_of(key_.get()); }

Buffer RsaKey::decrypt(Bytes cipher) const {
  const std::unique_ptr<EVP_PKEY_CTX, FreeContext> context(EVP_PKEY_CTX_new(key_.get(), nullptr));
  require(context && EVP_PKEY_decrypt_init(context.get()) == 1);
  require(EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1);
  Buffer plain(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())));
  std::size_t size = plain.size();
  require(EVP_PKEY_decrypt(context.get(), reinterpret_cast<unsigned char*>(plain.data()), &size,
                           as_uchars(cipher), cipher.size()) == 1);
  plain.resize(size);
  return plain;
}

std::string ed25519_public_pem() {
  const std::unique_ptr<EVP_PKEY, FreeKey> key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  require(key != nullptr);
  return pem_of(key.get());
}

}  // namespace perilune::test
