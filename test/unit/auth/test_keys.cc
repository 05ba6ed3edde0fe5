#include "test_keys.hh"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>
#include <stdexcept>

namespace perilune::test {

namespace {

struct Free {
  void operator()(BIO* bio) const noexcept { BIO_free(bio); }
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Memory = std::unique_ptr<BIO, Free>;

void require(bool succeeded) {
  if (!succeeded) throw std::runtime_error("OpenSSL failed in a test's key");
}

std::string contents(BIO* bio) {
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  return std::string(text, static_cast<std::size_t>(size));
}

std::string private_pem(EVP_PKEY* key, const char* passphrase) {
  const Memory bio(BIO_new(BIO_s_mem()));
  const EVP_CIPHER* const cipher = passphrase == nullptr ? nullptr : EVP_aes_128_cbc();
  // Without a length OpenSSL takes the user data for the passphrase.
  void* const user_data = const_cast<char*>(passphrase);
  require(bio && PEM_write_bio_PrivateKey(bio.get(), key, cipher, nullptr, 0, nullptr, user_data));
  return contents(bio.get());
}

Key ed25519_key() {
  Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  require(key != nullptr);
  return key;
}

}  // namespace

std::string rsa_private_pem(std::size_t bits, const char* passphrase) {
  const Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", bits));
  require(key != nullptr);
  return private_pem(key.get(), passphrase);
}

std::string ed25519_private_pem() { return private_pem(ed25519_key().get(), nullptr); }

std::string ed25519_public_pem() {
  const Key key = ed25519_key();
  const Memory bio(BIO_new(BIO_s_mem()));
  require(bio && PEM_write_bio_PUBKEY(bio.get(), key.get()) == 1);
  return contents(bio.get());
}

}  // namespace perilune::test
