#pragma once

// SCRAM-SHA-256: what is derived from a password, and what PostgreSQL stores of it. RFC 5802, 3;
// RFC 7677; PostgreSQL, src/common/scram-common.c.

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "auth/digests.hh"
#include "auth/secret.hh"
#include "util/bytes.hh"

namespace perilune::auth {

inline constexpr std::uint32_t kScramIterations = 4096;  // PostgreSQL's own choice
inline constexpr std::size_t kScramSaltSize = 16;        // likewise
inline constexpr std::size_t kMaxScramSalt = 1024;

// How often a server may have a password hashed. Each thousand keeps a worker busy for about half a
// millisecond; who answers fewer gives a false server a password that is easier to guess.
// PostgreSQL allows 1 and more (scram_iterations).
struct ScramLimits {
  std::uint32_t min_iterations = 1;
  std::uint32_t max_iterations = 100'000;

  bool allow(std::uint32_t iterations) const noexcept {
    return iterations >= min_iterations && iterations <= max_iterations;
  }
};

// What logs in instead of the password, at servers that store the same verifier. It belongs to one
// salt and one number of iterations.
struct ScramKeys {
  Secret client_key;
  Secret server_key;
  Buffer salt;
  std::uint32_t iterations = 0;

  ScramKeys clone() const { return {client_key.clone(), server_key.clone(), salt, iterations}; }
};

// Takes time by the iterations, at least one: bound them.
ScramKeys derive_scram_keys(const Secret& password, Bytes salt, std::uint32_t iterations);

// What judges a password, and with the server's key proves in turn that it is known.
struct ScramVerifier {
  std::uint32_t iterations = kScramIterations;
  Buffer salt;
  Sha256 stored_key{};
  Sha256 server_key{};
};

ScramVerifier make_scram_verifier(const ScramKeys& keys);

// "SCRAM-SHA-256$4096:salt$stored key:server key", base64 all three, as in pg_authid. Null: not
// quite that.
std::optional<ScramVerifier> parse_scram_verifier(std::string_view text);
std::string format_scram_verifier(const ScramVerifier& verifier);

// A number from 1 to 2^31 - 1; 32 bytes in base64. Null: anything else.
std::optional<std::uint32_t> parse_scram_iterations(std::string_view text) noexcept;
std::optional<Sha256> decode_scram_key(std::string_view text);

// Keys of passwords that come again and again. Keeps no password. For one thread; wipes what it
// drops.
class ScramKeyCache {
 public:
  static constexpr std::size_t kCapacity = 1024;

  ScramKeyCache() : ScramKeyCache(kCapacity) {}
  explicit ScramKeyCache(std::size_t capacity);

  // As derive_scram_keys().
  ScramKeys keys(const Secret& password, Bytes salt, std::uint32_t iterations);

  std::size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    Sha256 name;
    ScramKeys keys;
  };
  // The names are keyed hashes.
  struct Spread {
    std::size_t operator()(const Sha256& name) const noexcept;
  };

  Sha256 name_of(const Secret& password, Bytes salt, std::uint32_t iterations) const;

  std::size_t capacity_;
  Secret name_key_;
  std::list<Entry> entries_;  // the one used last is the first
  std::unordered_map<Sha256, std::list<Entry>::iterator, Spread> by_name_;
};

}  // namespace perilune::auth
