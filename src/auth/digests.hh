#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "util/bytes.hh"

namespace perilune::auth {

using Md5 = std::array<std::byte, 16>;
using Sha1 = std::array<std::byte, 20>;
using Sha256 = std::array<std::byte, 32>;
using Sha512 = std::array<std::byte, 64>;

// The digest of the pieces one after the other. std::runtime_error if OpenSSL lacks the algorithm.
Md5 md5_of(std::span<const Bytes> pieces);
Sha1 sha1_of(std::span<const Bytes> pieces);
Sha256 sha256_of(std::span<const Bytes> pieces);
Sha512 sha512_of(std::span<const Bytes> pieces);

template <typename... Pieces>
Md5 md5(const Pieces&... pieces) {
  const std::array<Bytes, sizeof...(Pieces)> list{Bytes(pieces)...};
  return md5_of(list);
}

template <typename... Pieces>
Sha1 sha1(const Pieces&... pieces) {
  const std::array<Bytes, sizeof...(Pieces)> list{Bytes(pieces)...};
  return sha1_of(list);
}

template <typename... Pieces>
Sha256 sha256(const Pieces&... pieces) {
  const std::array<Bytes, sizeof...(Pieces)> list{Bytes(pieces)...};
  return sha256_of(list);
}

template <typename... Pieces>
Sha512 sha512(const Pieces&... pieces) {
  const std::array<Bytes, sizeof...(Pieces)> list{Bytes(pieces)...};
  return sha512_of(list);
}

// RFC 2104. The result may be a secret: the caller's to wipe.
Sha256 hmac_sha256(Bytes key, Bytes text);

// target ^= mask, byte by byte.
template <std::size_t N>
void xor_into(std::array<std::byte, N>& target, const std::array<std::byte, N>& mask) noexcept {
  for (std::size_t i = 0; i < N; ++i) target[i] ^= mask[i];
}

}  // namespace perilune::auth
