#include "proto/mysql/break_off.hh"

#include <exception>
#include <utility>

#include "auth/mysql_caching_sha2.hh"
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
constexpr std::size_t kSignatureSize = 64;  // of client_ed25519
// parsec: what its salt looks like, and the size of what answers it.
constexpr std::byte kParsecSalt{'P'};
constexpr std::size_t kParsecSaltSize = 20;
constexpr std::size_t kParsecAnswerSize = 96;

wire::HandshakeResponse nobody() {
  using namespace wire::capability;
  wire::HandshakeResponse response;
  response.capabilities = kMysql | kProtocol41 | kSecureConnection | kPluginAuth;
  response.max_packet_size = wire::kMaxPacket;
  response.character_set = kUtf8mb4;
  response.auth_plugin = kNativePassword;
  return response;
}

event::Task<> log_in_as_nobody(Channel& channel) {
  net::Stream& stream = channel.stream();
  wire::HandshakeResponse response = nobody();
  if (stream.tls() != nullptr) {
    co_await net::finish_handshake(stream);
    response.capabilities |= wire::capability::kSsl;
  }
  Buffer answer;
  wire::append_handshake_response(answer, response);
  channel.send(answer);
}

// No password, which all methods take for an answer except those that want a signature.
Buffer no_password(Bytes asked) {
  const bool is_salt = asked.front() == kParsecSalt && asked.size() == kParsecSaltSize;
  if (is_salt) return Buffer(kParsecAnswerSize);
  if (asked.front() != std::byte{wire::kEofHeader}) return {};
  const auto request = wire::decode_auth_switch_request(asked);
  return Buffer(request && request->auth_plugin == kEd25519 ? kSignatureSize : 0);
}

bool wants_answer(Bytes payload) noexcept {
  if (payload.empty() || is_verdict(payload)) return false;
  return payload.size() != 2 || payload[0] != std::byte{wire::kAuthMoreDataHeader} ||
         payload[1] != auth::kFastAuthSuccess;
}

event::Task<> be_refused(net::Stream& stream, LoginPoint point) {
  Channel channel{stream, "Server"};
  channel.set_sequence(point.sequence);
  Buffer payload = std::move(point.asked);
  if (point.sequence == 0) {
    payload = co_await channel.receive(kPacketLimit);
    if (wire::is_err(payload)) co_return;
    payload.clear();
  }
  if (!point.has_begun) co_await log_in_as_nobody(channel);
  if (payload.empty()) payload = co_await channel.receive(kPacketLimit);
  while (!payload.empty() && !is_verdict(payload)) {
    const auto answer = unwilling_answer(payload);
    if (answer) channel.send(*answer);
    payload = co_await channel.receive(kPacketLimit);
  }
}

event::Task<> connect_and_be_refused(net::Connecting& connecting, const Buffer& first) {
  const int status = co_await connecting;
  if (status != 0) co_return;
  const auto stream = connecting.take();
  stream->write(first);
  LoginPoint begin;
  co_await be_refused(*stream, std::move(begin));
}

event::Task<> within_limit(event::Loop& loop, event::Task<> task) {
  try {
    co_await event::within(loop, kLimit, std::move(task));
  } catch (const std::exception&) {
    // The server has ended it: all that was wanted.
  }
}

}  // namespace

bool is_verdict(Bytes payload) noexcept {
  return wire::is_err(payload) ||
         (!payload.empty() && payload.front() == std::byte{wire::kOkHeader});
}

std::optional<Buffer> unwilling_answer(Bytes asked) {
  if (!wants_answer(asked)) return std::nullopt;
  return no_password(asked);
}

event::Task<> break_off(event::Loop& loop, net::Connecting connecting, Buffer first, HeldPlace) {
  auto ending = connect_and_be_refused(connecting, first);
  co_await within_limit(loop, std::move(ending));
}

event::Task<> break_off(event::Loop& loop, std::unique_ptr<net::Stream> stream, LoginPoint point,
                        HeldPlace) {
  auto ending = be_refused(*stream, std::move(point));
  co_await within_limit(loop, std::move(ending));
}

}  // namespace perilune::proto::mysql
