#include "cluster/hash.hh"

#include "support/catch.hh"
#include "unit/cluster/stage.hh"

// Expected: int.from_bytes(hashlib.blake2b(node + key, digest_size=16).digest()[:8], 'little') of
// Python, as myproxy's users compute it.
namespace perilune::cluster {

namespace {

std::uint64_t hash_of(std::string_view node, std::string_view key) {
  return rendezvous_hash(hashed_bytes(test::endpoint(node)), as_bytes(key));
}

}  // namespace

TEST_CASE("hash: is BLAKE2b over the address and the key", "[cluster]") {
  CHECK(hash_of("127.0.0.2", "anna") == 0x1eec897b0f70c577U);
  CHECK(hash_of("127.0.0.2", "") == 0x50b41692d279aeeeU);
  CHECK(hash_of("127.0.0.3", "anna") == 0x9251f427ec16cb99U);
  CHECK(hash_of("2001:db8::7", "anna") == 0x97eaf69f79262cd8U);
  CHECK(hash_of("/run/db.sock", "anna") == 0x2c34d6365ab1a09dU);
  CHECK(hash_of("@db", "anna") == 0x4f978e87f9f14029U);
  CHECK(hash_of("db1.example", "anna") == 0x835d46f25228c7ddU);
}

TEST_CASE("hash: knows no port unless asked to", "[cluster]") {
  CHECK(hash_of("127.0.0.2:3307", "anna") == 0x1eec897b0f70c577U);
  const Buffer with_port = hashed_bytes_with_port(test::endpoint("127.0.0.2:3307"));
  CHECK(rendezvous_hash(with_port, as_bytes("anna")) == 0xae3eb6fae92e5b80U);
}

}  // namespace perilune::cluster
