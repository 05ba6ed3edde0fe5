#include "auth/saslprep.hh"

#include <stringprep.h>

#include <algorithm>

namespace perilune::auth {

namespace {

// One character of three bytes becomes eighteen of 33 bytes.
constexpr std::size_t kGrowth = 12;

bool is_ascii(Bytes text) noexcept {
  return std::ranges::all_of(text,
                             [](std::byte c) { return (c & std::byte{0x80}) == std::byte{}; });
}

}  // namespace

Secret saslprep(const Secret& password) {
  const Bytes bytes = password.bytes();
  if (is_ascii(bytes) || as_text(bytes).find('\0') != std::string_view::npos) {
    return password.clone();
  }
  // Reserved at once: a vector that grows leaves copies behind.
  Buffer work(bytes.size() * kGrowth + 1);
  std::ranges::copy(bytes, work.begin());
  auto* const text = reinterpret_cast<char*>(work.data());
  const int failed = stringprep(text, work.size(), STRINGPREP_NO_UNASSIGNED, stringprep_saslprep);
  const Secret prepared{std::move(work)};
  const std::string_view result =
      as_text(prepared.bytes()).substr(0, as_text(prepared.bytes()).find('\0'));
  return failed != STRINGPREP_OK || result.empty() ? password.clone() : Secret(result);
}

}  // namespace perilune::auth
