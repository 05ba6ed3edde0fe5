#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "auth/error.hh"
#include "util/bytes.hh"
#include "util/result.hh"

namespace perilune::auth {

// The signatures of JSON Web Signature (RFC 7515) by the algorithms of RFC 7518 and RFC 8037 that
// people use. There is no "none".
enum class JwsAlgorithm : std::uint8_t { EdDsa, Hs256, Rs256 };

std::optional<JwsAlgorithm> jws_algorithm_of(std::string_view name) noexcept;
std::string_view name_of(JwsAlgorithm algorithm) noexcept;

// What a key that checks signatures is for: one in PEM for what it says; 32 bytes for EdDSA, as
// they are an Ed25519 key; anything else is a secret for HS256. A key is for one algorithm only, or
// whoever knows the public one could sign with it.
Result<JwsAlgorithm, AuthError> jws_algorithm_for(std::string_view key);

// EdDSA: the 64 bytes of sodium's secret key, or PEM. HS256: the secret, which is no PEM. RS256:
// PEM of at least 2048 bits.
Result<Buffer, AuthError> jws_sign(JwsAlgorithm algorithm, std::string_view key, Bytes message);

// Whether the signature, which may be anything, is the key's. EdDSA: 32 bytes, or PEM. Fails when
// the key is not for this algorithm.
Result<bool, AuthError> jws_verify(JwsAlgorithm algorithm, std::string_view key, Bytes message,
                                   Bytes signature);

// Base64 for URLs without padding (RFC 7515, 2); nothing else is taken.
std::string base64url(Bytes bytes);
std::optional<Buffer> from_base64url(std::string_view text);

}  // namespace perilune::auth
