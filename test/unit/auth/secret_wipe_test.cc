#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>

#include "auth/mysql_challenge.hh"
#include "auth/postgres_methods.hh"
#include "auth/secret.hh"
#include "exchange.hh"
#include "support/catch.hh"
#include "verifiers.hh"

using namespace perilune;
using perilune::auth::Secret;

namespace {

// The memory whose return to the heap a test watches.
Bytes watched;
bool was_wiped = false;

// What no memory may contain when it is given back.
std::string_view needle;
bool was_left = false;

void search(void* memory) noexcept {
  if (memory == nullptr || needle.empty()) return;
  const std::size_t size = malloc_usable_size(memory);
  if (memmem(memory, size, needle.data(), needle.size()) != nullptr) was_left = true;
}

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
  search(memory);
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  look_at(memory);
  search(memory);
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

namespace {

constexpr std::string_view kPassword =
    "a password of quite some length, longer than a string's own";

// Looks for the password in whatever is given back meanwhile.
template <typename Body>
bool leaves_password(const Body& body) {
  was_left = false;
  needle = kPassword;
  body();
  needle = {};
  return was_left;
}

// Compilers leave out allocations that nobody looks at.
void use(const void* memory) noexcept { asm volatile("" : : "g"(memory) : "memory"); }

}  // namespace

TEST_CASE("secret: the search finds what was left", "[auth]") {
  CHECK(leaves_password([] {
    const Buffer careless(as_bytes(kPassword).begin(), as_bytes(kPassword).end());
    use(careless.data());
  }));
  CHECK_FALSE(leaves_password([] { Secret{kPassword}; }));
}

TEST_CASE("mysql verifier: leaves no password behind", "[auth][mysql]") {
  CHECK_FALSE(leaves_password([] {
    const auto verifier = auth::parse_mysql_verifier(kPassword);
    const auth::MysqlVerifier copy = auth::clone(*verifier);
    const Secret password(kPassword);
    (void)auth::is_password(password, copy);
    (void)auth::is_password(password, auth::CachingSha2Hash());
    (void)auth::is_password(password, auth::ParsecHash());
    (void)auth::is_password(password, auth::NativeHash());
  }));
}

TEST_CASE("mysql challenge: nothing but the clear answers keeps the password", "[auth][mysql]") {
  (void)test::shared_rsa_key();
  // The answers of mysql_clear_password and of the full exchange in clear are the caller's to wipe.
  for (const std::string_view plugin : {"mysql_native_password", "caching_sha2_password",
                                        "client_ed25519", "parsec", "sha256_password"}) {
    CAPTURE(plugin);
    const test::Method method{plugin, auth::Transport::Plain};
    const auth::MysqlVerifier right = auth::ClearPassword{Secret(kPassword)};
    CHECK_FALSE(leaves_password([&] { (void)test::exchange(method, right, kPassword); }));
    CHECK_FALSE(leaves_password([&] { (void)test::exchange(method, auth::Nobody(), kPassword); }));
  }
}

TEST_CASE("mysql challenge: a clear answer is wiped once it is judged", "[auth][mysql]") {
  const Buffer answer(as_bytes(kPassword).begin(), as_bytes(kPassword).end());
  const test::Method method{"mysql_clear_password", auth::Transport::Tls};
  CHECK_FALSE(leaves_password([&] {
    const auto challenge = test::challenge_of(method, auth::AnyPassword());
    (void)challenge->judge(answer);
    (void)challenge->take_learnt();
  }));
}

TEST_CASE("postgres methods: leave no password behind", "[auth][postgres]") {
  const auth::PostgresVerifier right = auth::ClearPassword{Secret(kPassword)};
  auth::PostgresCredentials known;
  known.password = Secret(kPassword);
  CHECK_FALSE(leaves_password([&] {
    auth::ScramKeyCache cache;
    using enum auth::PostgresMethod;
    for (const auto method : {Md5Password, ScramSha256}) {
      const auto challenge = auth::make_postgres_challenge(method, {right, "anna", cache});
      const auto login =
          auth::make_postgres_login(method, {known, "anna", auth::Transport::Plain, cache});
      Buffer words = *(*login)->begin(challenge->salt());
      auto step = challenge->judge(words);
      if (step->data) step = challenge->judge(**(*login)->next(*step->data));
      CHECK(step->verdict == auth::PostgresChallenge::Verdict::Accepted);
      (void)challenge->take_learnt();
    }
    (void)auth::parse_postgres_verifier(kPassword);
  }));
}
