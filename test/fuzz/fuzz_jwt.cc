// Tokens from anybody: verifying survives anything, lets in nothing that the key did not sign, and
// what it signs itself.

#include <cstddef>
#include <cstdint>
#include <string>

#include "data/json.hh"
#include "fuzz/expect.hh"
#include "script/jwt.hh"
#include "util/bytes.hh"

using namespace perilune;

namespace {

constexpr double kNow = 1'700'000'000;

// A secret, and a public key of Ed25519.
const std::string kKeys[] = {"a secret of any length", std::string(32, '\x01')};

// The bytes as a payload, if they are one.
void sign_and_verify(std::string_view text) {
  const auto payload = data::parse_json(text);
  if (!payload || !std::holds_alternative<data::Tree::Map>(payload->what)) return;
  data::Tree::Map header;
  header.push_back({"alg", data::Tree{std::string("HS256")}});
  const auto token = script::sign_token(kKeys[0], std::move(header), *payload);
  if (!token) return;
  const auto verified = script::verify_token(*token, kKeys[0], {}, kNow);
  if (verified) expect(*data::dump_json(verified->payload) == *data::dump_json(*payload));
  std::string changed = *token;
  changed[changed.size() / 2] ^= 1;
  expect(!script::verify_token(changed, kKeys[0], {}, kNow));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  for (const std::string& key : kKeys) (void)script::verify_token(text, key, {}, kNow);
  sign_and_verify(text);
  return 0;
}
