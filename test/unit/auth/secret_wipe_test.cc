#include <algorithm>
#include <cstdlib>
#include <new>

#include "auth/secret.hh"
#include "support/catch.hh"

using namespace perilune;
using perilune::auth::Secret;

namespace {

// The memory whose return to the heap a test watches.
Bytes watched;
bool was_wiped = false;

void look_at(const void* memory) noexcept {
  if (memory == nullptr || memory != watched.data()) return;
  was_wiped = std::all_of(watched.begin(), watched.end(),
                          [](std::byte value) { return value == std::byte{0}; });
  watched = {};
}

}  // namespace

// Replaced for the whole executable: the only place where memory can be seen just before it goes.
// With the nothrow form, as AddressSanitizer's own would not go with our delete; not inlined, or
// GCC takes new and free for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(std::max<std::size_t>(size, 1));
}
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (void* const memory = operator new(size, std::nothrow)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  look_at(memory);
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  look_at(memory);
  std::free(memory);
}

TEST_CASE("secret: its memory is wiped before it is given back", "[auth]") {
  was_wiped = false;
  SECTION("at its end") {
    const Secret secret(std::string_view("a password of some length"));
    watched = secret.bytes();
  }
  SECTION("when another one takes its place") {
    Secret secret(std::string_view("a password of some length"));
    watched = secret.bytes();
    secret = Secret(std::string_view("another password"));
  }
  SECTION("after it moved") {
    Secret secret(std::string_view("a password of some length"));
    watched = secret.bytes();
    const Secret heir(std::move(secret));
    CHECK_FALSE(watched.empty());
  }
  CHECK(watched.empty());
  CHECK(was_wiped);
}
