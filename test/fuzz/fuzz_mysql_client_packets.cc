// What a client may send in a login or to change its user: decoders must survive anything, and what
// they accept must keep its meaning when it is encoded and decoded again.

#include <cstddef>
#include <cstdint>

#include "fuzz/expect.hh"
#include "wire/mysql/handshake.hh"

using namespace perilune;
using namespace perilune::wire::mysql;

namespace {

void try_handshake_response(Bytes payload) {
  const auto response = decode_handshake_response(payload);
  if (!response) return;
  Buffer again;
  append_handshake_response(again, *response);
  const auto second = decode_handshake_response(again);
  expect(static_cast<bool>(second));
  expect(second->capabilities == response->capabilities);
  expect(second->user == response->user);
  expect(second->auth_answer == response->auth_answer);
  expect(second->database == response->database);
  expect(second->auth_plugin == response->auth_plugin);
  expect(second->attributes == response->attributes);
  expect(second->zstd_level == response->zstd_level);
  if (const auto attributes = decode_attributes(response->attributes)) {
    Buffer encoded;
    for (const Attribute& attribute : *attributes) append_attribute(encoded, attribute);
    const auto same = decode_attributes(encoded);
    expect(same && same->size() == attributes->size());
  }
}

void try_ssl_request(Bytes payload) {
  const auto request = decode_ssl_request(payload);
  expect(static_cast<bool>(request) == is_ssl_request(payload));
  if (!request) return;
  Buffer again;
  append_ssl_request(again, *request);
  expect(is_ssl_request(again));
}

void try_change_user(Bytes payload, std::uint64_t capabilities) {
  const auto request = decode_change_user(payload, capabilities);
  if (!request) return;
  Buffer again;
  append_change_user(again, *request, capabilities);
  const auto second = decode_change_user(again, capabilities);
  expect(static_cast<bool>(second));
  expect(second->user == request->user);
  expect(second->auth_answer == request->auth_answer);
  expect(second->database == request->database);
  expect(second->character_set == request->character_set);
  expect(second->auth_plugin == request->auth_plugin);
  expect(second->attributes == request->attributes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes payload{reinterpret_cast<const std::byte*>(data), size};
  try_handshake_response(payload);
  try_ssl_request(payload);
  try_change_user(payload, capability::kSecureConnection);
  try_change_user(payload, 0);
  try_change_user(payload, ~std::uint64_t{});
  return 0;
}
