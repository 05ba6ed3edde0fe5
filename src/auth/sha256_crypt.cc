#include "auth/sha256_crypt.hh"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "auth/digests.hh"
#include "auth/secret.hh"
#include "util/scope_exit.hh"

namespace perilune::auth {

namespace {

// `digest` over and over, cut to `size` (steps 16 and 20 of the description).
Buffer stretch(const Sha256& digest, std::size_t size) {
  Buffer out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = digest[i % digest.size()];
  return out;
}

Sha256 digest_of_repeated(Bytes text, std::size_t times) {
  const std::vector<Bytes> pieces(times, text);
  return sha256_of(pieces);
}

// Steps 1 to 12.
Sha256 first_digest(Bytes password, Bytes salt) {
  Sha256 other = sha256(password, salt, password);
  Buffer stretched = stretch(other, password.size());
  const ScopeExit wiped([&] {
    wipe(other);
    wipe(stretched);
  });
  std::vector<Bytes> pieces{password, salt, stretched};
  for (std::size_t bits = password.size(); bits != 0; bits >>= 1) {
    pieces.push_back((bits & 1) != 0 ? Bytes(other) : password);
  }
  return sha256_of(pieces);
}

// Step 21.
void run_rounds(Sha256& digest, Bytes password, Bytes salt, unsigned rounds) {
  for (unsigned i = 0; i < rounds; ++i) {
    const bool odd = i % 2 != 0;
    const std::array<Bytes, 4> pieces{odd ? password : Bytes(digest), i % 3 != 0 ? salt : Bytes(),
                                      i % 7 != 0 ? password : Bytes(),
                                      odd ? Bytes(digest) : password};
    digest = sha256_of(pieces);
  }
}

void put(Sha256Crypt& out, std::size_t at, std::uint32_t bits, std::size_t characters) {
  constexpr char kAlphabet[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  for (std::size_t i = 0; i < characters; ++i, bits >>= 6) out[at + i] = kAlphabet[bits & 0x3F];
}

// Step 22: the bytes in an order of its own, each three as four characters, least bits first.
Sha256Crypt encode(const Sha256& digest) {
  const auto byte = [&](std::size_t i) { return std::to_integer<std::uint32_t>(digest[i]); };
  Sha256Crypt out;
  std::size_t a = 0;
  std::size_t b = 10;
  std::size_t c = 20;
  for (std::size_t at = 0; at < 40; at += 4) {
    put(out, at, byte(a) << 16 | byte(b) << 8 | byte(c), 4);
    const std::size_t next = (c + 1) % 30;
    c = (b + 1) % 30;
    b = (a + 1) % 30;
    a = next;
  }
  put(out, 40, byte(31) << 8 | byte(30), 3);
  return out;
}

}  // namespace

Sha256Crypt sha256_crypt(Bytes password, Bytes salt, unsigned rounds) {
  Sha256 digest = first_digest(password, salt);
  Sha256 password_digest = digest_of_repeated(password, password.size());
  const std::size_t salts = 16 + std::to_integer<std::size_t>(digest[0]);
  const Buffer salt_bytes = stretch(digest_of_repeated(salt, salts), salt.size());
  Buffer password_bytes = stretch(password_digest, password.size());
  const ScopeExit wiped([&] {
    wipe(digest);
    wipe(password_digest);
    wipe(password_bytes);
  });
  run_rounds(digest, password_bytes, salt_bytes, rounds);
  return encode(digest);
}

}  // namespace perilune::auth
