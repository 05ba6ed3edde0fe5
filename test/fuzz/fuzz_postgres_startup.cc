// The packets before a connection's first message: what is understood is written and understood
// again, and nothing is understood that is cut.

#include <cstddef>
#include <cstdint>
#include <variant>

#include "fuzz/expect.hh"
#include "wire/postgres/startup.hh"

using namespace perilune;
using namespace perilune::wire::postgres;

namespace {

struct Write {
  Buffer& out;

  void operator()(const StartupMessage& message) const { append_startup_message(out, message); }
  void operator()(const SslRequest&) const { append_ssl_request(out); }
  void operator()(const GssEncRequest&) const { append_gssenc_request(out); }
  void operator()(const CancelRequest& request) const { append_cancel_request(out, request); }
};

void look(const Opening& opening) {
  const auto* const message = std::get_if<StartupMessage>(&opening);
  if (message == nullptr) return;
  expect(message->parameters.size() < kMaxStartupPacket);
  expect(!message->database().empty() || message->user().empty());
  (void)message->wants_replication();
  expect(agreed_version(message->version) <= kProtocol32);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input{reinterpret_cast<const std::byte*>(data), size};
  const auto announced = opening_size(input);
  if (!announced || *announced == 0 || *announced > size) return 0;
  const Bytes packet = input.first(*announced);
  const auto opening = decode_opening(packet);
  expect(!decode_opening(packet.first(packet.size() - 1)));
  if (!opening) return 0;
  look(*opening);
  Buffer out;
  std::visit(Write{out}, *opening);
  expect(as_text(out) == as_text(packet));
  return 0;
}
