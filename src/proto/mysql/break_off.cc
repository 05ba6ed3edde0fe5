#include "proto/mysql/break_off.hh"

#include <exception>
#include <utility>

#include "event/first_of.hh"
#include "proto/mysql/channel.hh"
#include "proto/mysql/methods.hh"
#include "wire/mysql/handshake.hh"
#include "wire/mysql/reply.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;

namespace {

constexpr Millis kLimit{10000};
constexpr std::size_t kPacketLimit = 64 * 1024;

wire::HandshakeResponse nobody() {
  using namespace wire::capability;
  wire::HandshakeResponse response;
  response.capabilities = kMysql | kProtocol41 | kSecureConnection | kPluginAuth;
  response.max_packet_size = wire::kMaxPacket;
  response.character_set = kUtf8mb4;
  response.auth_plugin = kNativePassword;
  return response;
}

// A handshake of TLS that was begun is brought to its end.
event::Task<> finish_tls(net::Stream& stream) {
  bool more = stream.tls() != nullptr;
  while (more && !stream.tls()->is_open()) {
    more = co_await stream.fill();
  }
}

event::Task<> be_refused(net::Stream& stream, std::uint8_t sequence) {
  Channel channel{stream, "Server"};
  channel.set_sequence(sequence);
  Buffer payload;
  if (sequence == 0) {
    payload = co_await channel.receive(kPacketLimit);
    if (wire::is_err(payload)) co_return;
  }
  co_await finish_tls(stream);
  wire::HandshakeResponse response = nobody();
  if (stream.tls() != nullptr) response.capabilities |= wire::capability::kSsl;
  Buffer answer;
  wire::append_handshake_response(answer, response);
  channel.send(answer);
  payload = co_await channel.receive(kPacketLimit);
  while (!payload.empty() && !wire::is_err(payload) &&
         payload.front() != std::byte{wire::kOkHeader}) {
    channel.send({});
    payload = co_await channel.receive(kPacketLimit);
  }
}

event::Task<> connect_and_be_refused(net::Connecting& connecting, const Buffer& first) {
  const int status = co_await connecting;
  if (status != 0) co_return;
  const auto stream = connecting.take();
  stream->write(first);
  co_await be_refused(*stream, 0);
}

event::Task<> within_limit(event::Loop& loop, event::Task<> task) {
  try {
    co_await event::within(loop, kLimit, std::move(task));
  } catch (const std::exception&) {
    // The server has ended it: all that was wanted.
  }
}

}  // namespace

event::Task<> break_off(event::Loop& loop, net::Connecting connecting, Buffer first, HeldPlace) {
  auto ending = connect_and_be_refused(connecting, first);
  co_await within_limit(loop, std::move(ending));
}

event::Task<> break_off(event::Loop& loop, std::unique_ptr<net::Stream> stream,
                        std::uint8_t sequence, HeldPlace) {
  auto ending = be_refused(*stream, sequence);
  co_await within_limit(loop, std::move(ending));
}

}  // namespace perilune::proto::mysql
