#include "auth/mysql_verifier.hh"

#include <sodium.h>

#include <algorithm>
#include <span>
#include <type_traits>

#include "util/scope_exit.hh"

namespace perilune::auth {

namespace {

// MySQL's own limit for the methods that crypt; the time grows by the square.
constexpr std::size_t kMaxCrypted = 256;
constexpr std::size_t kCryptPrefix = 7;  // $A$005$
constexpr std::size_t kCachingSha2Size = kCryptPrefix + 20 + kSha256CryptSize;

template <std::size_t N>
bool decode_hex(std::string_view text, std::array<std::byte, N>& out) noexcept {
  std::size_t size = 0;
  const char* end = nullptr;
  auto* const bytes = reinterpret_cast<unsigned char*>(out.data());
  return text.size() == 2 * N &&
         sodium_hex2bin(bytes, N, text.data(), text.size(), nullptr, &size, &end) == 0 &&
         size == N && end == text.data() + text.size();
}

template <std::size_t N>
bool decode_base64(std::string_view text, std::array<std::byte, N>& out) noexcept {
  std::size_t size = 0;
  const char* end = nullptr;
  auto* const bytes = reinterpret_cast<unsigned char*>(out.data());
  return sodium_base642bin(bytes, N, text.data(), text.size(), nullptr, &size, &end,
                           sodium_base64_VARIANT_ORIGINAL_NO_PADDING) == 0 &&
         size == N && end == text.data() + text.size();
}

bool decode_key(std::string_view text, Ed25519Key& key) noexcept {
  return decode_base64(text, key) && is_ed25519_key(key);
}

std::optional<NativeHash> parse_native(std::string_view text) {
  NativeHash hash;
  if (!text.starts_with('*') || !decode_hex(text.substr(1), hash.digest)) return std::nullopt;
  return hash;
}

// The three digits after $A$, times 1,000; 0 if they are none.
unsigned crypt_rounds(std::string_view digits) noexcept {
  std::array<std::byte, 2> value{};
  const std::array<char, 4> padded{'0', digits[0], digits[1], digits[2]};
  if (!decode_hex({padded.data(), padded.size()}, value)) return 0;
  return 1000 * (std::to_integer<unsigned>(value[0]) << 8 | std::to_integer<unsigned>(value[1]));
}

bool is_crypt_character(char c) noexcept {
  return (c >= '.' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

std::optional<CachingSha2Hash> parse_caching_sha2(std::string_view text) {
  if (text.size() != kCachingSha2Size || !text.starts_with("$A$") || text[6] != '$') {
    return std::nullopt;
  }
  CachingSha2Hash hash;
  hash.rounds = crypt_rounds(text.substr(3, 3));
  const std::string_view crypt = text.substr(kCryptPrefix + hash.salt.size());
  if (hash.rounds == 0 || !std::ranges::all_of(crypt, is_crypt_character)) return std::nullopt;
  std::ranges::copy(as_bytes(text.substr(kCryptPrefix, hash.salt.size())), hash.salt.begin());
  std::ranges::copy(crypt, hash.crypt.begin());
  return hash;
}

std::optional<CachingSha2Hash> parse_caching_sha2_hex(std::string_view text) {
  std::array<std::byte, kCachingSha2Size> decoded;
  if (!text.starts_with("0x") || !decode_hex(text.substr(2), decoded)) return std::nullopt;
  return parse_caching_sha2(as_text(decoded));
}

std::optional<Ed25519Hash> parse_ed25519(std::string_view text) {
  Ed25519Hash hash;
  if (!decode_key(text, hash.key)) return std::nullopt;
  return hash;
}

std::optional<ParsecHash> parse_parsec(std::string_view text) {
  constexpr std::size_t kSalt = 3;
  constexpr std::size_t kKey = kSalt + 24 + 1;
  if (text.size() <= kKey || text[0] != 'P' || text[2] != ':' || text[kKey - 1] != ':') {
    return std::nullopt;
  }
  ParsecHash hash;
  if (text[1] < '0' || text[1] > '0' + kMaxParsecFactor) return std::nullopt;
  hash.salt.factor = static_cast<std::uint8_t>(text[1] - '0');
  if (!decode_base64(text.substr(kSalt, kKey - 1 - kSalt), hash.salt.bytes) ||
      !decode_key(text.substr(kKey), hash.key)) {
    return std::nullopt;
  }
  return hash;
}

struct Compare {
  const Secret& password;

  bool operator()(const ClearPassword& clear) const { return password.equals(clear.password); }

  bool operator()(const NativeHash& hash) const {
    Sha1 stage1 = sha1(password.bytes());
    const ScopeExit wiped([&stage1] { wipe(stage1); });
    return equal_in_constant_time(sha1(stage1), hash.digest);
  }

  bool operator()(const CachingSha2Hash& hash) const {
    if (password.size() > kMaxCrypted) return false;
    const Sha256Crypt crypt = sha256_crypt(password.bytes(), hash.salt, hash.rounds);
    return equal_in_constant_time(std::as_bytes(std::span(crypt)),
                                  std::as_bytes(std::span(hash.crypt)));
  }

  bool operator()(const Ed25519Hash& hash) const {
    return equal_in_constant_time(ed25519_public_key(password.bytes()), hash.key);
  }

  bool operator()(const ParsecHash& hash) const {
    const Secret secret = derive_parsec_secret(password, hash.salt);
    return equal_in_constant_time(ed25519_public_key(secret.bytes()), hash.key);
  }

  bool operator()(const AnyPassword&) const { return true; }

  bool operator()(const Nobody&) const {
    spend_a_comparison(password);
    return false;
  }
};

}  // namespace

Result<MysqlVerifier, AuthError> parse_mysql_verifier(std::string_view text) {
  if (text.find('\0') != text.npos) return AuthError{"a password cannot contain a NUL"};
  if (const auto hash = parse_native(text)) return MysqlVerifier(*hash);
  if (const auto hash = parse_caching_sha2(text)) return MysqlVerifier(*hash);
  if (const auto hash = parse_caching_sha2_hex(text)) return MysqlVerifier(*hash);
  if (const auto hash = parse_ed25519(text)) return MysqlVerifier(*hash);
  if (const auto hash = parse_parsec(text)) return MysqlVerifier(*hash);
  return MysqlVerifier(ClearPassword{Secret(text)});
}

MysqlVerifier clone(const MysqlVerifier& verifier) {
  return std::visit(
      [](const auto& kind) -> MysqlVerifier {
        if constexpr (std::is_same_v<decltype(kind), const ClearPassword&>) {
          return ClearPassword{kind.password.clone()};
        } else {
          return kind;
        }
      },
      verifier);
}

bool is_password(const Secret& password, const MysqlVerifier& verifier) {
  return std::visit(Compare{password}, verifier);
}

void spend_a_comparison(const Secret& password) { (void)Compare{password}(CachingSha2Hash()); }

}  // namespace perilune::auth
