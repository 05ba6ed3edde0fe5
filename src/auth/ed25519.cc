#include "auth/ed25519.hh"

#include <sodium.h>

#include <algorithm>
#include <span>

#include "auth/digests.hh"
#include "auth/secret.hh"
#include "util/scope_exit.hh"

namespace perilune::auth {

namespace {

using Scalar = std::array<std::byte, 32>;

template <std::size_t N>
unsigned char* uchars(std::array<std::byte, N>& array) noexcept {
  return reinterpret_cast<unsigned char*>(array.data());
}

// RFC 8032, 5.1.5: the first half of the digest, clamped, is the scalar, the second half the
// prefix.
Sha512 expand(Bytes secret) {
  Sha512 expanded = sha512(secret);
  expanded[0] &= std::byte{248};
  expanded[31] &= std::byte{127};
  expanded[31] |= std::byte{64};
  return expanded;
}

Ed25519Key times_base(const Scalar& scalar) noexcept {
  Ed25519Key point;
  // Fails for multiples of the group's order only, which neither a clamped scalar nor a digest is.
  (void)crypto_scalarmult_ed25519_base_noclamp(uchars(point), as_uchars(scalar));
  return point;
}

Scalar reduce(Sha512 digest) noexcept {
  Scalar scalar;
  crypto_core_ed25519_scalar_reduce(uchars(scalar), uchars(digest));
  wipe(digest);
  return scalar;
}

Scalar first_half(const Sha512& expanded) noexcept {
  Scalar scalar;
  std::copy_n(expanded.begin(), scalar.size(), scalar.begin());
  return scalar;
}

// a * b + c modulo the group's order
Scalar multiply_add(const Scalar& a, const Scalar& b, const Scalar& c) noexcept {
  Scalar sum;
  crypto_core_ed25519_scalar_mul(uchars(sum), as_uchars(a), as_uchars(b));
  crypto_core_ed25519_scalar_add(uchars(sum), as_uchars(sum), as_uchars(c));
  return sum;
}

}  // namespace

Ed25519Key ed25519_public_key(Bytes secret) {
  Sha512 expanded = expand(secret);
  Scalar scalar = first_half(expanded);
  const ScopeExit wiped([&] {
    wipe(expanded);
    wipe(scalar);
  });
  return times_base(scalar);
}

// RFC 8032, 5.1.6
Ed25519Signature ed25519_sign(Bytes secret, Bytes message) {
  Sha512 expanded = expand(secret);
  Scalar scalar = first_half(expanded);
  Scalar nonce = reduce(sha512(std::span(expanded).last<32>(), message));
  const ScopeExit wiped([&] {
    wipe(expanded);
    wipe(scalar);
    wipe(nonce);
  });
  const Ed25519Key commitment = times_base(nonce);
  const Scalar digest = reduce(sha512(commitment, times_base(scalar), message));
  const Scalar response = multiply_add(digest, scalar, nonce);
  Ed25519Signature signature;
  std::ranges::copy(response, std::ranges::copy(commitment, signature.begin()).out);
  return signature;
}

bool ed25519_verify(const Ed25519Key& key, Bytes message, Bytes signature) noexcept {
  return signature.size() == Ed25519Signature().size() &&
         crypto_sign_verify_detached(as_uchars(signature), as_uchars(message), message.size(),
                                     as_uchars(key)) == 0;
}

bool is_ed25519_key(const Ed25519Key& key) noexcept {
  return crypto_core_ed25519_is_valid_point(as_uchars(key)) == 1;
}

}  // namespace perilune::auth
