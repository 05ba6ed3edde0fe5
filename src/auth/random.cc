#include "auth/random.hh"

#include <sodium.h>

#include <stdexcept>

namespace perilune::auth {

namespace {

void require_sodium() {
  static const bool ready = sodium_init() >= 0;
  if (!ready) throw std::runtime_error("libsodium cannot be initialised");
}

bool is_usable(std::byte value) noexcept {
  return value != std::byte{0} && value != std::byte{'$'};
}

// One system call serves many scrambles; each byte is used once.
class Pool {
 public:
  std::byte next() {
    if (used_ == bytes_.size()) {
      randombytes_buf(bytes_.data(), bytes_.size());
      used_ = 0;
    }
    return bytes_[used_++];
  }

 private:
  std::array<std::byte, 1024> bytes_;
  std::size_t used_ = bytes_.size();
};

}  // namespace

MysqlScramble make_mysql_scramble() {
  MysqlScramble scramble;
  fill_scramble(scramble);
  return scramble;
}

void fill_scramble(MutableBytes scramble) {
  require_sodium();
  thread_local Pool pool;
  for (std::size_t filled = 0; filled < scramble.size();) {
    const std::byte candidate = pool.next() & std::byte{0x7F};
    if (is_usable(candidate)) scramble[filled++] = candidate;
  }
}

void fill_random(MutableBytes bytes) {
  require_sodium();
  randombytes_buf(bytes.data(), bytes.size());
}

}  // namespace perilune::auth
