#include "auth/rsa_key.hh"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <stdexcept>
#include <utility>

#include "auth/openssl_handles.hh"
#include "util/scope_exit.hh"

namespace perilune::auth {

namespace {

constexpr std::size_t kBits = 2048;

std::string write_public_pem(EVP_PKEY* key) {
  const Openssl<BIO> bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_PUBKEY(bio.get(), key) != 1) {
    throw std::runtime_error("OpenSSL cannot write a public key");
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(size));
}

// In place of OpenSSL's own, which would ask at the terminal.
int no_passphrase(char*, int, int, void*) noexcept { return -1; }

Result<Secret, AuthError> cannot_decrypt() {
  return AuthError{"the client's encrypted password cannot be decrypted"};
}

}  // namespace

void RsaKey::Free::operator()(evp_pkey_st* key) const noexcept { EVP_PKEY_free(key); }

RsaKey::RsaKey(std::unique_ptr<evp_pkey_st, Free> key)
    : key_(std::move(key)),
      public_pem_(write_public_pem(key_.get())),
      cipher_size_(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get()))) {}

RsaKey RsaKey::generate() {
  std::unique_ptr<EVP_PKEY, Free> key(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", kBits));
  if (!key) throw std::runtime_error("OpenSSL cannot make an RSA key");
  return RsaKey(std::move(key));
}

Result<RsaKey, AuthError> RsaKey::from_pem(std::string_view private_key) {
  const ScopeExit clean([] { ERR_clear_error(); });
  const Openssl<BIO> bio = open_pem(private_key);
  std::unique_ptr<EVP_PKEY, Free> key(
      bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr) : nullptr);
  if (!key) return AuthError{"this is no private key in PEM, or it needs a passphrase"};
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) {
    return AuthError{"the private key is not an RSA key"};
  }
  if (static_cast<std::size_t>(EVP_PKEY_get_bits(key.get())) < kBits) {
    return AuthError{"the RSA key has less than 2048 bits"};
  }
  return RsaKey(std::move(key));
}

Result<Secret, AuthError> RsaKey::decrypt(Bytes cipher) const {
  // What OpenSSL leaves in its queue would look like a failure of the next TLS call.
  const ScopeExit clean([] { ERR_clear_error(); });
  const Openssl<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key_.get(), nullptr));
  if (cipher.size() != cipher_size_ || !context || EVP_PKEY_decrypt_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) != 1) {
    return cannot_decrypt();
  }
  Buffer plain(cipher_size_);
  const ScopeExit wiped([&plain] { wipe(plain); });
  std::size_t size = plain.size();
  auto* const out = reinterpret_cast<unsigned char*>(plain.data());
  if (EVP_PKEY_decrypt(context.get(), out, &size, as_uchars(cipher), cipher.size()) != 1) {
    return cannot_decrypt();
  }
  return Secret(Bytes(plain).first(size));
}

}  // namespace perilune::auth
