#include "auth/scram_keys.hh"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "auth/base64.hh"
#include "auth/random.hh"
#include "auth/saslprep.hh"
#include "util/scope_exit.hh"

namespace perilune::auth {

namespace {

constexpr std::string_view kScheme = "SCRAM-SHA-256$";

Secret secret_of(Sha256 bytes) {
  const ScopeExit wiped([&bytes] { wipe(bytes); });
  return Secret(Bytes(bytes));
}

// "Hi(Normalize(password), salt, i)"
Secret salt_password(const Secret& password, Bytes salt, std::uint32_t iterations) {
  const Secret prepared = saslprep(password);
  const auto* const text = reinterpret_cast<const char*>(prepared.bytes().data());
  Buffer salted(Sha256().size());
  // A null pointer would mean to OpenSSL that the password is missing.
  const int done = PKCS5_PBKDF2_HMAC(
      prepared.empty() ? "" : text, static_cast<int>(prepared.size()), as_uchars(salt),
      static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
      static_cast<int>(salted.size()), reinterpret_cast<unsigned char*>(salted.data()));
  if (done != 1) throw std::runtime_error("OpenSSL cannot derive a key");
  return Secret(std::move(salted));
}

// What is before the first `separator`, which must be there; both are taken off.
std::optional<std::string_view> take_until(std::string_view& text, char separator) noexcept {
  const std::size_t end = text.find(separator);
  if (end == text.npos) return std::nullopt;
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(end + 1);
  return taken;
}

}  // namespace

ScramKeys derive_scram_keys(const Secret& password, Bytes salt, std::uint32_t iterations) {
  const Secret salted = salt_password(password, salt, iterations);
  ScramKeys keys;
  keys.client_key = secret_of(hmac_sha256(salted.bytes(), as_bytes("Client Key")));
  keys.server_key = secret_of(hmac_sha256(salted.bytes(), as_bytes("Server Key")));
  keys.salt.assign(salt.begin(), salt.end());
  keys.iterations = iterations;
  return keys;
}

std::optional<Sha256> decode_scram_key(std::string_view text) {
  Sha256 key;
  const auto bytes = decode_base64(text, key.size());
  if (!bytes || bytes->size() != key.size()) return std::nullopt;
  std::ranges::copy(*bytes, key.begin());
  return key;
}

std::optional<std::uint32_t> parse_scram_iterations(std::string_view text) noexcept {
  std::int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1) return std::nullopt;
  return static_cast<std::uint32_t>(value);
}

ScramVerifier make_scram_verifier(const ScramKeys& keys) {
  ScramVerifier verifier;
  verifier.iterations = keys.iterations;
  verifier.salt = keys.salt;
  verifier.stored_key = sha256(keys.client_key.bytes());
  std::ranges::copy(keys.server_key.bytes(), verifier.server_key.begin());
  return verifier;
}

std::optional<ScramVerifier> parse_scram_verifier(std::string_view text) {
  if (!text.starts_with(kScheme)) return std::nullopt;
  text.remove_prefix(kScheme.size());
  const auto iterations = take_until(text, ':');
  const auto salt = take_until(text, '$');
  const auto stored_key = take_until(text, ':');
  if (!iterations || !salt || !stored_key) return std::nullopt;
  const auto count = parse_scram_iterations(*iterations);
  auto bytes = decode_base64(*salt, kMaxScramSalt);
  const auto stored = decode_scram_key(*stored_key);
  const auto server = decode_scram_key(text);
  if (!count || !bytes || bytes->empty() || !stored || !server) return std::nullopt;
  return ScramVerifier{*count, *std::move(bytes), *stored, *server};
}

std::string format_scram_verifier(const ScramVerifier& verifier) {
  return std::string(kScheme) + std::to_string(verifier.iterations) + ":" +
         encode_base64(verifier.salt) + "$" + encode_base64(verifier.stored_key) + ":" +
         encode_base64(verifier.server_key);
}

ScramKeyCache::ScramKeyCache(std::size_t capacity) : capacity_(std::max<std::size_t>(capacity, 1)) {
  Buffer key(Sha256().size());
  fill_random(key);
  name_key_ = Secret(std::move(key));
}

ScramKeys ScramKeyCache::keys(const Secret& password, Bytes salt, std::uint32_t iterations) {
  const Sha256 name = name_of(password, salt, iterations);
  const auto known = by_name_.find(name);
  if (known != by_name_.end()) {
    entries_.splice(entries_.begin(), entries_, known->second);
    return entries_.front().keys.clone();
  }
  entries_.push_front({name, derive_scram_keys(password, salt, iterations)});
  by_name_.emplace(name, entries_.begin());
  if (entries_.size() > capacity_) {
    by_name_.erase(entries_.back().name);
    entries_.pop_back();
  }
  return entries_.front().keys.clone();
}

// The password's hash has a fixed size, as have the iterations: no two lists of pieces are the same
// bytes.
Sha256 ScramKeyCache::name_of(const Secret& password, Bytes salt, std::uint32_t iterations) const {
  Sha256 hashed = hmac_sha256(name_key_.bytes(), password.bytes());
  const ScopeExit wiped([&hashed] { wipe(hashed); });
  std::array<std::byte, sizeof(iterations)> count;
  std::memcpy(count.data(), &iterations, count.size());
  return sha256(name_key_.bytes(), hashed, count, salt);
}

std::size_t ScramKeyCache::Spread::operator()(const Sha256& name) const noexcept {
  std::size_t value;
  std::memcpy(&value, name.data(), sizeof(value));
  return value;
}

}  // namespace perilune::auth
