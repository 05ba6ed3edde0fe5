#include "auth/jws.hh"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>

#include "auth/openssl_handles.hh"
#include "auth/secret.hh"
#include "util/scope_exit.hh"

namespace perilune::auth {

namespace {

constexpr int kLeastRsaBits = 2048;
constexpr std::array<std::string_view, 3> kNames{"EdDSA", "HS256", "RS256"};

struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreeDigest>;

// In place of OpenSSL's own, which would ask at the terminal.
int no_passphrase(char*, int, int, void*) noexcept { return -1; }

bool is_pem(std::string_view key) { return key.find("-----BEGIN ") != std::string_view::npos; }

using ReadPem = EVP_PKEY* (*)(BIO*, EVP_PKEY**, pem_password_cb*, void*);

Openssl<EVP_PKEY> read_pem(std::string_view key, ReadPem read) {
  const ScopeExit clean([] { ERR_clear_error(); });
  const Openssl<BIO> bio = open_pem(key);
  return Openssl<EVP_PKEY>(bio ? read(bio.get(), nullptr, no_passphrase, nullptr) : nullptr);
}

std::optional<JwsAlgorithm> algorithm_of(const EVP_PKEY* key) {
  const int id = EVP_PKEY_get_base_id(key);
  if (id == EVP_PKEY_ED25519) return JwsAlgorithm::EdDsa;
  if (id == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= kLeastRsaBits) return JwsAlgorithm::Rs256;
  return std::nullopt;
}

AuthError unfit(JwsAlgorithm algorithm) {
  constexpr std::array<const char*, 3> kReasons{
      "the key is not for EdDSA", "the key is not for HS256", "the key is not for RS256"};
  return AuthError{kReasons[static_cast<std::size_t>(algorithm)]};
}

const EVP_MD* digest_of(JwsAlgorithm algorithm) {
  return algorithm == JwsAlgorithm::Rs256 ? EVP_sha256() : nullptr;
}

Result<Buffer, AuthError> sign_by_pem(JwsAlgorithm algorithm, std::string_view pem, Bytes message) {
  const ScopeExit clean([] { ERR_clear_error(); });
  const auto key = read_pem(pem, PEM_read_bio_PrivateKey);
  if (!key || algorithm_of(key.get()) != algorithm) return unfit(algorithm);
  const DigestContext context{EVP_MD_CTX_new()};
  Buffer signature(static_cast<std::size_t>(EVP_PKEY_get_size(key.get())));
  std::size_t size = signature.size();
  const bool ok =
      context != nullptr &&
      EVP_DigestSignInit(context.get(), nullptr, digest_of(algorithm), nullptr, key.get()) == 1 &&
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     as_uchars(message), message.size()) == 1;
  if (!ok) throw std::runtime_error("OpenSSL cannot sign");
  signature.resize(size);
  return signature;
}

Result<bool, AuthError> verify_by_pem(JwsAlgorithm algorithm, std::string_view pem, Bytes message,
                                      Bytes signature) {
  const ScopeExit clean([] { ERR_clear_error(); });
  const auto key = read_pem(pem, PEM_read_bio_PUBKEY);
  if (!key || algorithm_of(key.get()) != algorithm) return unfit(algorithm);
  const DigestContext context{EVP_MD_CTX_new()};
  const bool ready =
      context != nullptr &&
      EVP_DigestVerifyInit(context.get(), nullptr, digest_of(algorithm), nullptr, key.get()) == 1;
  if (!ready) throw std::runtime_error("OpenSSL cannot verify");
  return EVP_DigestVerify(context.get(), as_uchars(signature), signature.size(), as_uchars(message),
                          message.size()) == 1;
}

Buffer hmac(std::string_view secret, Bytes message) {
  Buffer mac(crypto_auth_hmacsha256_BYTES);
  crypto_auth_hmacsha256_state state;
  const ScopeExit wiped([&state] { sodium_memzero(&state, sizeof state); });
  crypto_auth_hmacsha256_init(&state, as_uchars(as_bytes(secret)), secret.size());
  crypto_auth_hmacsha256_update(&state, as_uchars(message), message.size());
  crypto_auth_hmacsha256_final(&state, reinterpret_cast<unsigned char*>(mac.data()));
  return mac;
}

bool is_secret(std::string_view key) { return !key.empty() && !is_pem(key); }

}  // namespace

std::optional<JwsAlgorithm> jws_algorithm_of(std::string_view name) noexcept {
  const auto found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<JwsAlgorithm>(found - kNames.begin());
}

std::string_view name_of(JwsAlgorithm algorithm) noexcept {
  return kNames[static_cast<std::size_t>(algorithm)];
}

Result<JwsAlgorithm, AuthError> jws_algorithm_for(std::string_view key) {
  if (key.empty()) return AuthError{"the key is empty"};
  if (key.size() == crypto_sign_PUBLICKEYBYTES) return JwsAlgorithm::EdDsa;
  if (!is_pem(key)) return JwsAlgorithm::Hs256;
  const auto pem = read_pem(key, PEM_read_bio_PUBKEY);
  const auto algorithm = pem ? algorithm_of(pem.get()) : std::nullopt;
  if (!algorithm) return AuthError{"the PEM is no public key of Ed25519 or of RSA with 2048 bits"};
  return *algorithm;
}

Result<Buffer, AuthError> jws_sign(JwsAlgorithm algorithm, std::string_view key, Bytes message) {
  if (algorithm == JwsAlgorithm::Hs256) {
    if (!is_secret(key)) return unfit(algorithm);
    return hmac(key, message);
  }
  if (is_pem(key)) return sign_by_pem(algorithm, key, message);
  if (algorithm != JwsAlgorithm::EdDsa || key.size() != crypto_sign_SECRETKEYBYTES) {
    return unfit(algorithm);
  }
  Buffer signature(crypto_sign_BYTES);
  crypto_sign_detached(reinterpret_cast<unsigned char*>(signature.data()), nullptr,
                       as_uchars(message), message.size(), as_uchars(as_bytes(key)));
  return signature;
}

Result<bool, AuthError> jws_verify(JwsAlgorithm algorithm, std::string_view key, Bytes message,
                                   Bytes signature) {
  if (algorithm == JwsAlgorithm::Hs256) {
    if (!is_secret(key)) return unfit(algorithm);
    return equal_in_constant_time(hmac(key, message), signature);
  }
  if (is_pem(key)) return verify_by_pem(algorithm, key, message, signature);
  if (algorithm != JwsAlgorithm::EdDsa || key.size() != crypto_sign_PUBLICKEYBYTES) {
    return unfit(algorithm);
  }
  return signature.size() == crypto_sign_BYTES &&
         crypto_sign_verify_detached(as_uchars(signature), as_uchars(message), message.size(),
                                     as_uchars(as_bytes(key))) == 0;
}

std::string base64url(Bytes bytes) {
  constexpr int kVariant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  std::string text(sodium_base64_encoded_len(bytes.size(), kVariant), '\0');
  sodium_bin2base64(text.data(), text.size(), as_uchars(bytes), bytes.size(), kVariant);
  text.pop_back();  // the NUL
  return text;
}

std::optional<Buffer> from_base64url(std::string_view text) {
  Buffer bytes(text.size());
  std::size_t size = 0;
  const char* end = nullptr;
  const int code = sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(),
                                     text.data(), text.size(), nullptr, &size, &end,
                                     sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  if (code != 0 || end != text.data() + text.size()) return std::nullopt;
  bytes.resize(size);
  return bytes;
}

}  // namespace perilune::auth
