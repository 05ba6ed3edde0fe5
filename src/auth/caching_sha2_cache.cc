#include "auth/caching_sha2_cache.hh"

#include <algorithm>

#include "util/scope_exit.hh"

namespace perilune::auth {

std::optional<Sha256> CachingSha2Cache::find(const CachingSha2Hash& hash) const {
  const auto found = known_.find(key_of(hash));
  return found != known_.end() ? std::optional(found->second) : std::nullopt;
}

void CachingSha2Cache::remember(const CachingSha2Hash& hash, const Secret& password) {
  if (known_.size() >= kMost) known_.clear();
  Sha256 stage1 = sha256(password.bytes());
  const ScopeExit wiped([&stage1] { wipe(stage1); });
  known_.insert_or_assign(key_of(hash), sha256(stage1));
}

// The salt alone is random enough; the crypt ties the entry to what was verified.
CachingSha2Cache::Key CachingSha2Cache::key_of(const CachingSha2Hash& hash) noexcept {
  Key key{};
  const auto end = std::ranges::transform(hash.salt, key.begin(), [](std::byte b) {
                     return static_cast<char>(b);
                   }).out;
  std::ranges::copy(hash.crypt, end);
  return key;
}

}  // namespace perilune::auth
