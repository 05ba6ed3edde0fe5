#pragma once

// Ed25519 (RFC 8032, 5.1) whose secret may have any length, not only 32 bytes. That is what
// MariaDB's client_ed25519 does with the password; parsec signs with 32 bytes as the RFC has it.
// MariaDB server, plugin/auth_ed25519/ref10/sign.c and keypair.c.

#include <array>
#include <cstddef>

#include "util/bytes.hh"

namespace perilune::auth {

using Ed25519Key = std::array<std::byte, 32>;
using Ed25519Signature = std::array<std::byte, 64>;

Ed25519Key ed25519_public_key(Bytes secret);
Ed25519Signature ed25519_sign(Bytes secret, Bytes message);

// Any length of `signature` may come from the network.
bool ed25519_verify(const Ed25519Key& key, Bytes message, Bytes signature) noexcept;

// Whether some secret could have this key: about one in sixteen of all values.
bool is_ed25519_key(const Ed25519Key& key) noexcept;

}  // namespace perilune::auth
