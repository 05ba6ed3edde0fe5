#include "auth/mariadb_tls_proof.hh"

#include "auth/ed25519.hh"
#include "util/scope_exit.hh"

namespace perilune::auth {

namespace {

constexpr char kSha256Mark = '\x01';

using Hash = std::optional<Secret>;

const Secret* clear_password(const MysqlVerifier& verifier) noexcept {
  const auto* clear = std::get_if<ClearPassword>(&verifier);
  return clear != nullptr && !clear->password.empty() ? &clear->password : nullptr;
}

Hash native_hash(const MysqlVerifier& verifier) {
  if (const auto* hash = std::get_if<NativeHash>(&verifier)) return Secret(Bytes(hash->digest));
  const Secret* const password = clear_password(verifier);
  if (password == nullptr) return std::nullopt;
  Sha1 stage1 = sha1(password->bytes());
  const ScopeExit wiped([&stage1] { wipe(stage1); });
  return Secret(Bytes(sha1(stage1)));
}

Hash ed25519_hash(const MysqlVerifier& verifier) {
  if (const auto* hash = std::get_if<Ed25519Hash>(&verifier)) return Secret(Bytes(hash->key));
  const Secret* const password = clear_password(verifier);
  if (password == nullptr) return std::nullopt;
  return Secret(Bytes(ed25519_public_key(password->bytes())));
}

Hash parsec_hash(const MysqlVerifier& verifier) {
  const auto* hash = std::get_if<ParsecHash>(&verifier);
  if (hash == nullptr) return std::nullopt;
  Buffer bytes = encode_parsec_salt(hash->salt);
  append(bytes, hash->key);
  return Secret(std::move(bytes));
}

struct Method {
  std::string_view plugin;
  Hash (*hash)(const MysqlVerifier&);
};

constexpr Method kMethods[] = {
    {"client_ed25519", ed25519_hash},
    {"mysql_native_password", native_hash},
    {"parsec", parsec_hash},
};

std::string upper_hex(const Sha256& digest) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text;
  for (const std::byte value : digest) {
    text += kDigits[std::to_integer<unsigned>(value) >> 4];
    text += kDigits[std::to_integer<unsigned>(value) & 0xF];
  }
  return text;
}

}  // namespace

std::string mariadb_tls_proof(Bytes password_hash, const MysqlScramble& scramble,
                              const Sha256& fingerprint) {
  return kSha256Mark + upper_hex(sha256(password_hash, scramble, fingerprint));
}

std::optional<std::string> mariadb_tls_proof(std::string_view plugin, const MysqlVerifier& verifier,
                                             const MysqlScramble& scramble,
                                             const Sha256& fingerprint) {
  for (const Method& method : kMethods) {
    if (method.plugin != plugin) continue;
    const Hash hash = method.hash(verifier);
    if (!hash) return std::nullopt;
    return mariadb_tls_proof(hash->bytes(), scramble, fingerprint);
  }
  return std::nullopt;
}

}  // namespace perilune::auth
