// What a server may send in a login or as a simple reply: decoders must survive anything, and what
// they accept must keep its meaning when it is encoded and decoded again.

#include <cstddef>
#include <cstdint>

#include "fuzz/expect.hh"
#include "wire/mysql/handshake.hh"
#include "wire/mysql/reply.hh"

using namespace perilune;
using namespace perilune::wire::mysql;

namespace {

void try_greeting(Bytes payload) {
  const auto greeting = decode_greeting(payload);
  if (!greeting || greeting->auth_data.size() > 246) return;
  Buffer again;
  append_greeting(again, *greeting);
  const auto second = decode_greeting(again);
  expect(static_cast<bool>(second));
  expect(second->server_version == greeting->server_version);
  expect(second->connection_id == greeting->connection_id);
  expect(second->capabilities == greeting->capabilities);
  expect(second->auth_plugin == greeting->auth_plugin);
}

void try_authentication(Bytes payload) {
  if (const auto request = decode_auth_switch_request(payload)) {
    Buffer again;
    append_auth_switch_request(again, *request);
    const auto second = decode_auth_switch_request(again);
    expect(second && second->auth_plugin == request->auth_plugin);
    expect(second->auth_data == request->auth_data);
  }
  if (const auto more = decode_auth_more_data(payload)) {
    Buffer again;
    append_auth_more_data(again, more->data);
    expect(again == Buffer(payload.begin(), payload.end()));
  }
}

void try_ok(Bytes payload, std::uint64_t capabilities) {
  const auto ok = decode_ok(payload, capabilities);
  if (!ok) return;
  Buffer again;
  append_ok(again, *ok, capabilities);
  const auto second = decode_ok(again, capabilities);
  expect(static_cast<bool>(second));
  expect(second->affected_rows == ok->affected_rows);
  expect(second->last_insert_id == ok->last_insert_id);
  expect(second->status == ok->status);
  expect(second->info == ok->info);
  expect(second->session_state == ok->session_state);
}

void try_err_and_eof(Bytes payload) {
  if (const auto err = decode_err(payload)) {
    Buffer again;
    append_err(again, *err, capability::kProtocol41);
    const auto second = decode_err(again);
    expect(second && second->code == err->code && second->message == err->message);
  }
  if (const auto eof = decode_eof(payload)) {
    Buffer again;
    append_eof(again, *eof);
    expect(again == Buffer(payload.begin(), payload.end()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes payload{reinterpret_cast<const std::byte*>(data), size};
  try_greeting(payload);
  try_authentication(payload);
  try_ok(payload, capability::kProtocol41);
  try_ok(payload, capability::kProtocol41 | capability::kSessionTrack);
  try_err_and_eof(payload);
  return 0;
}
