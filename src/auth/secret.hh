#pragma once

// auth: proofs of identity as pure functions, bytes in, bytes out: digests, one file per method and
// protocol, a table of methods. No I/O, no packets, no policy of who may log in.

#include <optional>
#include <string_view>
#include <utility>

#include "util/bytes.hh"

namespace perilune::auth {

// Overwrites in a way that the compiler keeps.
void wipe(MutableBytes bytes) noexcept;

// Compares without telling by its duration where the difference is; the lengths are no secret.
bool equal_in_constant_time(Bytes a, Bytes b) noexcept;

// A password or what is as good as one: its memory is wiped before it is given back. Moves only, or
// clones where somebody says so. Deliberately without a formatter and without operator<<.
class Secret {
 public:
  Secret() noexcept = default;
  explicit Secret(Bytes bytes) : bytes_(bytes.begin(), bytes.end()) {}
  explicit Secret(std::string_view text) : Secret(as_bytes(text)) {}
  // Takes over the buffer's memory: no copy stays behind.
  explicit Secret(Buffer&& bytes) noexcept : bytes_(std::move(bytes)) {}

  Secret(Secret&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { wipe(bytes_); }

  Secret clone() const { return Secret(bytes()); }

  // The view dies with the secret. Whoever copies it must wipe the copy.
  Bytes bytes() const noexcept { return bytes_; }
  std::size_t size() const noexcept { return bytes_.size(); }
  bool empty() const noexcept { return bytes_.empty(); }
  bool equals(const Secret& other) const noexcept {
    return equal_in_constant_time(bytes(), other.bytes());
  }

 private:
  Buffer bytes_;
};

inline std::optional<Secret> clone(const std::optional<Secret>& secret) {
  return secret ? std::optional<Secret>(secret->clone()) : std::nullopt;
}

}  // namespace perilune::auth
