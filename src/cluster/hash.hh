#pragma once

#include <cstdint>

#include "net/address.hh"
#include "util/bytes.hh"

namespace perilune::cluster {

// What of a node is hashed, as myproxy does it: the bytes of its IP address in network order
// without the port, the name of its unix socket as the kernel has it (with the NUL behind a path),
// or the text of a host name.
Buffer hashed_bytes(const net::Endpoint& endpoint);
// The same and the port, in network order: for nodes that differ in nothing else.
Buffer hashed_bytes_with_port(const net::Endpoint& endpoint);

// The first eight bytes, as a little-endian number, of the BLAKE2b hash of 16 bytes of `node`
// followed by `key`. The node with the smallest one has the key.
std::uint64_t rendezvous_hash(Bytes node, Bytes key) noexcept;

}  // namespace perilune::cluster
