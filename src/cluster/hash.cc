#include "cluster/hash.hh"

#include <sodium/crypto_generichash.h>

#include <array>
#include <cstddef>
#include <cstring>

namespace perilune::cluster {

namespace {

constexpr std::size_t kDigestSize = 16;

Buffer bytes_of(const net::Address& address) {
  Buffer bytes;
  if (address.is_unix()) {
    append(bytes, as_bytes(address.unix_bytes()));
    if (!address.is_abstract()) bytes.push_back(std::byte{});
    return bytes;
  }
  const auto host = address.host_bytes();
  const Bytes whole{host};
  append(bytes, address.family() == AF_INET ? whole.last(sizeof(in_addr)) : whole);
  return bytes;
}

std::uint16_t port_of(const net::Endpoint& endpoint) noexcept {
  const auto* const address = std::get_if<net::Address>(&endpoint);
  return address != nullptr ? address->port() : std::get_if<net::HostName>(&endpoint)->port;
}

}  // namespace

Buffer hashed_bytes(const net::Endpoint& endpoint) {
  if (const auto* address = std::get_if<net::Address>(&endpoint)) return bytes_of(*address);
  Buffer bytes;
  append(bytes, as_bytes(std::get<net::HostName>(endpoint).host));
  return bytes;
}

Buffer hashed_bytes_with_port(const net::Endpoint& endpoint) {
  Buffer bytes = hashed_bytes(endpoint);
  const std::uint16_t port = port_of(endpoint);
  bytes.push_back(static_cast<std::byte>(port >> 8));
  bytes.push_back(static_cast<std::byte>(port & 0xFF));
  return bytes;
}

std::uint64_t rendezvous_hash(Bytes node, Bytes key) noexcept {
  crypto_generichash_state state;
  std::array<unsigned char, kDigestSize> digest;
  crypto_generichash_init(&state, nullptr, 0, digest.size());
  crypto_generichash_update(&state, as_uchars(node), node.size());
  crypto_generichash_update(&state, as_uchars(key), key.size());
  crypto_generichash_final(&state, digest.data(), digest.size());
  std::uint64_t hash = 0;
  for (std::size_t i = sizeof hash; i > 0; --i) hash = hash << 8 | digest[i - 1];
  return hash;
}

}  // namespace perilune::cluster
