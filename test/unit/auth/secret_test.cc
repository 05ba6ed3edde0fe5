#include "auth/secret.hh"

#include <fmt/format.h>

#include <ostream>
#include <type_traits>

#include "support/catch.hh"

using namespace perilune;
using perilune::auth::Secret;

namespace {

template <typename T>
concept Streamable = requires(std::ostream& out, const T& value) {
  out << value;
};

}  // namespace

static_assert(!fmt::is_formattable<Secret>::value);
static_assert(!Streamable<Secret>);
static_assert(!std::is_copy_constructible_v<Secret>);
static_assert(!std::is_copy_assignable_v<Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret>);
static_assert(!std::is_convertible_v<std::string_view, Secret>);

TEST_CASE("secret: holds what it was given, NULs too", "[auth]") {
  const Secret secret(std::string_view("a\0b", 3));
  CHECK(secret.size() == 3);
  CHECK_FALSE(secret.empty());
  CHECK(as_text(secret.bytes()) == std::string_view("a\0b", 3));
  CHECK(Secret().empty());
}

TEST_CASE("secret: takes over a buffer without copying", "[auth]") {
  Buffer buffer(16, std::byte{'x'});
  const std::byte* const memory = buffer.data();
  const Secret secret(std::move(buffer));
  CHECK(secret.bytes().data() == memory);
}

TEST_CASE("secret: moving leaves nothing behind", "[auth]") {
  Secret first(std::string_view("short"));
  Secret second(std::move(first));
  CHECK(first.empty());  // NOLINT: that is the contract
  CHECK(as_text(second.bytes()) == "short");
  Secret third(std::string_view("other"));
  third = std::move(second);
  CHECK(second.empty());  // NOLINT
  CHECK(as_text(third.bytes()) == "short");
}

TEST_CASE("secret: a clone is independent", "[auth]") {
  Secret original(std::string_view("pass"));
  const Secret copy = original.clone();
  CHECK(copy.bytes().data() != original.bytes().data());
  original = Secret();
  CHECK(as_text(copy.bytes()) == "pass");
}

TEST_CASE("secret: equality needs the same length and bytes", "[auth]") {
  const Secret secret(std::string_view("pass"));
  CHECK(secret.equals(Secret(std::string_view("pass"))));
  CHECK_FALSE(secret.equals(Secret(std::string_view("pasS"))));
  CHECK_FALSE(secret.equals(Secret(std::string_view("pas"))));
  CHECK_FALSE(secret.equals(Secret()));
  CHECK(Secret().equals(Secret()));
}

TEST_CASE("wipe: overwrites every byte", "[auth]") {
  Buffer buffer(37, std::byte{0xAA});
  auth::wipe(buffer);
  CHECK(buffer == Buffer(37));
  auth::wipe({});
}
