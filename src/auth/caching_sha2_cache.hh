#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>

#include "auth/digests.hh"
#include "auth/mysql_verifier.hh"
#include "auth/secret.hh"

namespace perilune::auth {

// What caching_sha2_password caches: SHA256(SHA256(password)) of stored hashes whose password came
// once by the full exchange. With it later logins need neither that exchange nor a crypt. One
// thread's own.
class CachingSha2Cache {
 public:
  static constexpr std::size_t kMost = 16'384;  // hashes; with more it begins anew

  std::optional<Sha256> find(const CachingSha2Hash& hash) const;
  // `password` has just been found to be the right one.
  void remember(const CachingSha2Hash& hash, const Secret& password);

 private:
  using Key = std::array<char, 20 + kSha256CryptSize>;
  static Key key_of(const CachingSha2Hash& hash) noexcept;

  std::map<Key, Sha256> known_;
};

}  // namespace perilune::auth
