#include "auth/mysql_rsa.hh"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "auth/mysql_clear.hh"
#include "auth/openssl_handles.hh"
#include "util/scope_exit.hh"

namespace perilune::auth {

namespace {

using Key = Openssl<EVP_PKEY>;

// OAEP with SHA1: two digests and two bytes of each block (RFC 8017, 7.1.1).
constexpr std::size_t kOaepOverhead = 42;

Key read_rsa_key(std::string_view pem) {
  const Openssl<BIO> bio = open_pem(pem);
  if (!bio) return nullptr;
  Key key(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) return nullptr;
  return key;
}

void xor_repeatedly(MutableBytes text, const MysqlScramble& scramble) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) text[i] ^= scramble[i % scramble.size()];
}

// Empty on failure.
Buffer encrypt(EVP_PKEY* key, const Buffer& text) {
  const Openssl<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key, nullptr));
  if (!context || EVP_PKEY_encrypt_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) != 1) {
    return {};
  }
  Buffer out(static_cast<std::size_t>(EVP_PKEY_get_size(key)));
  std::size_t size = out.size();
  auto* const cipher = reinterpret_cast<unsigned char*>(out.data());
  if (EVP_PKEY_encrypt(context.get(), cipher, &size, as_uchars(text), text.size()) != 1) return {};
  out.resize(size);
  return out;
}

}  // namespace

Result<Buffer, AuthError> encrypt_password(const Secret& password, const MysqlScramble& scramble,
                                           std::string_view public_key_pem) {
  // What OpenSSL leaves in its queue would look like a failure of the next TLS call.
  const ScopeExit clean([] { ERR_clear_error(); });
  const Key key = read_rsa_key(public_key_pem);
  if (!key) return AuthError{"the server did not send a usable RSA public key"};
  if (password.size() + 1 + kOaepOverhead >
      static_cast<std::size_t>(EVP_PKEY_get_size(key.get()))) {
    return AuthError{"the password is too long for the server's RSA key"};
  }
  Buffer text = clear_answer(password);
  const ScopeExit wiped([&text] { wipe(text); });
  xor_repeatedly(text, scramble);
  Buffer cipher = encrypt(key.get(), text);
  if (cipher.empty()) return AuthError{"the password could not be encrypted with the server's key"};
  return cipher;
}

std::optional<Secret> decrypt_password(Bytes cipher, const MysqlScramble& scramble,
                                       const RsaKey& key) {
  const auto text = key.decrypt(cipher);
  if (!text) return std::nullopt;
  Buffer plain(text->bytes().begin(), text->bytes().end());
  const ScopeExit wiped([&plain] { wipe(plain); });
  xor_repeatedly(plain, scramble);
  return read_clear_answer(plain);
}

}  // namespace perilune::auth
