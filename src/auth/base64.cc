#include "auth/base64.hh"

#include <sodium.h>

namespace perilune::auth {

namespace {

constexpr int kVariant = sodium_base64_VARIANT_ORIGINAL;

}  // namespace

std::string encode_base64(Bytes bytes) {
  std::string text(sodium_base64_encoded_len(bytes.size(), kVariant), '\0');
  sodium_bin2base64(text.data(), text.size(), as_uchars(bytes), bytes.size(), kVariant);
  text.pop_back();  // the NUL
  return text;
}

std::optional<Buffer> decode_base64(std::string_view text, std::size_t max_size) {
  if (text.size() > max_size / 3 * 4 + 4) return std::nullopt;
  Buffer bytes(text.size() / 4 * 3 + 1);  // never none: sodium wants a pointer
  std::size_t size = 0;
  const char* end = nullptr;
  auto* const out = reinterpret_cast<unsigned char*>(bytes.data());
  const int failed = sodium_base642bin(out, bytes.size(), text.data(), text.size(), nullptr, &size,
                                       &end, kVariant);
  if (failed != 0 || end != text.data() + text.size() || size > max_size) return std::nullopt;
  bytes.resize(size);
  return bytes;
}

}  // namespace perilune::auth
