#include <sodium.h>

#include <array>
#include <string>
#include <string_view>

#include "auth/secret.hh"
#include "script/libs.hh"
#include "util/bytes.hh"
#include "util/scope_exit.hh"

namespace perilune::script {

namespace {

constexpr double kMostRandom = 1 << 20;

const unsigned char* uchars(std::string_view text) { return as_uchars(as_bytes(text)); }

template <std::size_t N>
std::string_view text_of(const std::array<unsigned char, N>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), N};
}

unsigned char* uchars(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

// Arguments that are keys.
std::string_view check_key(lua_State* L, int index, std::size_t size, const char* what) {
  const std::string_view key = lua::check_text(L, index);
  if (key.size() != size) throw lua::ArgumentError(index, std::string("Malformed ") + what);
  return key;
}

// Pushes a text that must not stay in C++'s memory.
void push_and_wipe(lua_State* L, std::string& text) {
  const ScopeExit wiped([&text] {
    auth::wipe({reinterpret_cast<std::byte*>(text.data()), text.size()});
  });
  lua::push_text(L, text);
}

template <std::size_t PublicSize, std::size_t SecretSize>
int push_pair(lua_State* L, int (*make)(unsigned char*, unsigned char*)) {
  check_count(L, 0, 0);
  std::array<unsigned char, PublicSize> key{};
  std::string secret(SecretSize, '\0');
  make(key.data(), uchars(secret));
  lua::push_text(L, text_of(key));
  push_and_wipe(L, secret);
  return 2;
}

int bin2hex(lua_State* L) {
  check_count(L, 1, 1);
  const std::string_view bytes = lua::check_text(L, 1);
  std::string hex(bytes.size() * 2 + 1, '\0');
  sodium_bin2hex(hex.data(), hex.size(), uchars(bytes), bytes.size());
  hex.pop_back();  // the NUL
  push_and_wipe(L, hex);
  return 1;
}

int hex2bin(lua_State* L) {
  check_count(L, 1, 1);
  const std::string_view hex = lua::check_text(L, 1);
  std::string bytes(hex.size() / 2 + 1, '\0');
  std::size_t size = 0;
  const char* end = nullptr;
  const bool is_hex = sodium_hex2bin(uchars(bytes), bytes.size(), hex.data(), hex.size(), nullptr,
                                     &size, &end) == 0 &&
                      end == hex.data() + hex.size();
  bytes.resize(is_hex ? size : 0);
  if (is_hex) {
    push_and_wipe(L, bytes);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

int randombytes(lua_State* L) {
  check_count(L, 1, 1);
  const double size = lua::check_number(L, 1);
  if (!(size >= 1)) throw lua::ArgumentError(1, "Size is too small");
  if (size > kMostRandom) throw lua::ArgumentError(1, "Size is too large");
  std::string bytes(static_cast<std::size_t>(size), '\0');
  randombytes_buf(bytes.data(), bytes.size());
  push_and_wipe(L, bytes);
  return 1;
}

int box_keypair(lua_State* L) {
  return push_pair<crypto_box_PUBLICKEYBYTES, crypto_box_SECRETKEYBYTES>(L, crypto_box_keypair);
}

int box_seal(lua_State* L) {
  check_count(L, 2, 2);
  const std::string_view message = lua::check_text(L, 1);
  const std::string_view key = check_key(L, 2, crypto_box_PUBLICKEYBYTES, "public key");
  std::string sealed(message.size() + crypto_box_SEALBYTES, '\0');
  if (crypto_box_seal(uchars(sealed), uchars(message), message.size(), uchars(key)) != 0) {
    throw lua::ArgumentError(2, "Malformed public key");
  }
  lua::push_text(L, sealed);
  return 1;
}

int box_seal_open(lua_State* L) {
  check_count(L, 3, 3);
  const std::string_view sealed = lua::check_text(L, 1);
  if (sealed.size() < crypto_box_SEALBYTES) throw lua::ArgumentError(1, "Malformed ciphertext");
  const std::string_view key = check_key(L, 2, crypto_box_PUBLICKEYBYTES, "public key");
  const std::string_view secret = check_key(L, 3, crypto_box_SECRETKEYBYTES, "secret key");
  std::string message(sealed.size() - crypto_box_SEALBYTES, '\0');
  if (crypto_box_seal_open(uchars(message), uchars(sealed), sealed.size(), uchars(key),
                           uchars(secret)) == 0) {
    push_and_wipe(L, message);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

int scalarmult_base(lua_State* L) {
  check_count(L, 1, 1);
  const std::string_view secret = check_key(L, 1, crypto_scalarmult_SCALARBYTES, "secret key");
  std::array<unsigned char, crypto_scalarmult_BYTES> key{};
  crypto_scalarmult_base(key.data(), uchars(secret));
  lua::push_text(L, text_of(key));
  return 1;
}

int sign_keypair(lua_State* L) {
  return push_pair<crypto_sign_PUBLICKEYBYTES, crypto_sign_SECRETKEYBYTES>(L, crypto_sign_keypair);
}

int sign_detached(lua_State* L) {
  check_count(L, 2, 2);
  const std::string_view message = lua::check_text(L, 1);
  const std::string_view secret = check_key(L, 2, crypto_sign_SECRETKEYBYTES, "secret key");
  std::array<unsigned char, crypto_sign_BYTES> signature{};
  crypto_sign_detached(signature.data(), nullptr, uchars(message), message.size(), uchars(secret));
  lua::push_text(L, text_of(signature));
  return 1;
}

int sign_verify_detached(lua_State* L) {
  check_count(L, 3, 3);
  const std::string_view signature = lua::check_text(L, 1);
  const std::string_view message = lua::check_text(L, 2);
  const std::string_view key = check_key(L, 3, crypto_sign_PUBLICKEYBYTES, "public key");
  if (signature.size() != crypto_sign_BYTES) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushboolean(L, crypto_sign_verify_detached(uchars(signature), uchars(message), message.size(),
                                                 uchars(key)) == 0);
  return 1;
}

constexpr lua::Function kFunctions[] = {
    {"bin2hex", lua::guarded<bin2hex>},
    {"crypto_box_keypair", lua::guarded<box_keypair>},
    {"crypto_box_seal", lua::guarded<box_seal>},
    {"crypto_box_seal_open", lua::guarded<box_seal_open>},
    {"crypto_scalarmult_base", lua::guarded<scalarmult_base>},
    {"crypto_sign_detached", lua::guarded<sign_detached>},
    {"crypto_sign_keypair", lua::guarded<sign_keypair>},
    {"crypto_sign_verify_detached", lua::guarded<sign_verify_detached>},
    {"hex2bin", lua::guarded<hex2bin>},
    {"randombytes", lua::guarded<randombytes>},
};

}  // namespace

void push_sodium(lua_State* L) {
  if (sodium_init() < 0) throw lua::Error("libsodium cannot be initialised");
  push_library(L, kFunctions);
}

}  // namespace perilune::script
