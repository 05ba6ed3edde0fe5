// Messages of either side: walked over in pieces of any size, and understood: every decoder takes
// every body, and what it understood is written and understood again.
//
// Input: a byte for the size of the pieces, then a stream of messages.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "fuzz/expect.hh"
#include "wire/postgres/authentication.hh"
#include "wire/postgres/framing.hh"
#include "wire/postgres/notice.hh"
#include "wire/postgres/startup.hh"
#include "wire/postgres/statements.hh"

using namespace perilune;
using namespace perilune::wire::postgres;

namespace {

// The tags of all headers, until one lies.
std::vector<std::uint8_t> walk(Bytes stream, std::size_t size) {
  std::vector<std::uint8_t> tags;
  MessagePosition position;
  while (!stream.empty()) {
    Bytes piece = stream.first(std::min(size, stream.size()));
    stream = stream.subspan(piece.size());
    while (!piece.empty()) {
      if (position.in_body()) {
        piece = piece.subspan(position.pass_body(piece.size()));
        continue;
      }
      const auto part = position.gather_header(piece);
      expect(part.taken > 0 && part.taken <= piece.size());
      piece = piece.subspan(part.taken);
      if (!part.complete) continue;
      tags.push_back(part.header.tag);
      if (!part.header.is_plausible()) return tags;
      position.enter(part.header);
    }
  }
  return tags;
}

// Written again: the same message.
template <typename Write>
void expect_same(Bytes body, const Write& write) {
  Buffer out;
  write(out);
  const auto message = front_message(out, kMaxLength);
  expect(message && message->complete && message->size == out.size());
  expect(as_text(message->body) == as_text(body));
}

void understand_server(Bytes body) {
  if (const auto is = decode_backend_key_data(body)) {
    expect_same(body, [&](Buffer& out) { append_backend_key_data(out, *is); });
  }
  if (const auto is = decode_parameter_status(body)) {
    expect_same(body, [&](Buffer& out) { append_parameter_status(out, *is); });
  }
  if (const auto is = decode_ready_for_query(body)) {
    expect_same(body, [&](Buffer& out) { append_ready_for_query(out, *is); });
  }
  if (const auto is = decode_authentication(body)) {
    expect_same(body, [&](Buffer& out) { append_authentication(out, is->request, is->data); });
    if (const auto names = decode_mechanisms(is->data)) expect(names->size() <= body.size());
  }
  if (const auto is = decode_negotiate_protocol_version(body)) {
    expect_same(body, [&](Buffer& out) { append_negotiate_protocol_version(out, *is); });
  }
  if (const auto is = decode_notice(body)) expect(is->message.size() < body.size());
}

void understand_values(Bytes values, std::size_t count) {
  ParameterReader reader{values};
  for (std::size_t i = 0; i < count; ++i) {
    expect(!reader.empty());
    (void)reader.next();
  }
  expect(reader.empty());
}

void understand_client(Bytes body) {
  if (const auto is = decode_query(body)) {
    expect_same(body, [&](Buffer& out) { append_query(out, *is); });
  }
  if (const auto is = decode_parse(body)) {
    expect_same(body, [&](Buffer& out) { append_parse(out, *is); });
  }
  if (const auto is = decode_named(body)) {
    expect_same(body, [&](Buffer& out) { append_named(out, FrontendTag::Close, *is); });
  }
  if (const auto is = decode_execute(body)) {
    expect_same(body, [&](Buffer& out) { append_execute(out, *is); });
  }
  if (const auto is = decode_sasl_initial_response(body)) {
    expect_same(body, [&](Buffer& out) { append_sasl_initial_response(out, *is); });
  }
  if (const auto is = decode_password(body)) {
    expect_same(body, [&](Buffer& out) { append_password(out, as_bytes(*is)); });
  }
  if (const auto is = decode_bind(body)) {
    understand_values(is->values, is->parameters);
    for (std::size_t i = 0; i < 3; ++i) (void)(is->is_binary(i) && is->wants_binary(i));
  }
  if (const auto is = decode_function_call(body)) understand_values(is->values, is->arguments);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Bytes stream{reinterpret_cast<const std::byte*>(data) + 1, size - 1};
  expect(walk(stream, stream.size() + 1) == walk(stream, std::size_t{data[0]} + 1));
  while (!stream.empty()) {
    const auto message = front_message(stream, kMaxAuthMessage);
    if (!message || !message->complete) break;
    understand_server(message->body);
    understand_client(message->body);
    stream = stream.subspan(message->size);
  }
  return 0;
}
