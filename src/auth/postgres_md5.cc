#include "auth/postgres_md5.hh"

#include <span>

#include "auth/digests.hh"
#include "util/scope_exit.hh"

namespace perilune::auth {

namespace {

constexpr std::string_view kPrefix = "md5";
constexpr std::string_view kDigits = "0123456789abcdef";

using Hex = std::array<char, kMd5Digits>;

Hex hex_of(const Md5& digest) noexcept {
  Hex hex;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const auto byte = std::to_integer<unsigned>(digest[i]);
    hex[2 * i] = kDigits[byte >> 4];
    hex[2 * i + 1] = kDigits[byte & 0xF];
  }
  return hex;
}

}  // namespace

Secret postgres_md5_hash(const Secret& password, std::string_view user) {
  Md5 digest = md5(password.bytes(), as_bytes(user));
  Hex hex = hex_of(digest);
  const ScopeExit wiped([&] {
    wipe(digest);
    wipe(std::as_writable_bytes(std::span(hex)));
  });
  return Secret(std::string_view(hex.data(), hex.size()));
}

std::string postgres_md5_answer(const Secret& hash, Bytes salt) {
  const Hex hex = hex_of(md5(hash.bytes(), salt));
  return std::string(kPrefix).append(hex.data(), hex.size());
}

std::optional<Secret> parse_postgres_md5(std::string_view text) {
  if (text.size() != kPrefix.size() + kMd5Digits || !text.starts_with(kPrefix)) return std::nullopt;
  const std::string_view digits = text.substr(kPrefix.size());
  if (digits.find_first_not_of(kDigits) != digits.npos) return std::nullopt;
  return Secret(digits);
}

}  // namespace perilune::auth
