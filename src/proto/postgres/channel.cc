#include "proto/postgres/channel.hh"

#include <fmt/format.h>

#include <utility>

#include "auth/secret.hh"
#include "util/error.hh"
#include "wire/postgres/framing.hh"

namespace perilune::proto::postgres {

namespace wire = perilune::wire::postgres;

namespace {

constexpr std::string_view kClientName = "Client";
constexpr std::size_t kOpeningLengthSize = 4;

}  // namespace

event::Task<Received> Channel::receive(std::size_t limit) {
  co_await require_input(wire::kHeaderSize);
  const auto announced = wire::front_message(stream_.input(), limit);
  if (!announced) throw_malformed(announced.error().what);
  const std::size_t size = announced->size;
  co_await require_input(size);
  const Bytes whole = stream_.input().first(size);
  const Bytes body = whole.subspan(wire::kHeaderSize);
  Received message{std::to_integer<std::uint8_t>(whole.front()), Buffer(body.begin(), body.end())};
  stream_.consume(size);
  co_return message;
}

event::Task<wire::Opening> Channel::receive_opening() {
  co_await require_input(kOpeningLengthSize);
  const auto size = wire::opening_size(stream_.input());
  if (!size) throw_malformed(size.error().what);
  co_await require_input(*size);
  auto opening = wire::decode_opening(stream_.input().first(*size));
  if (!opening) throw_malformed(opening.error().what);
  stream_.consume(*size);
  co_return *std::move(opening);
}

event::Task<std::byte> Channel::peek() {
  co_await require_input(1);
  co_return stream_.input().front();
}

event::Task<std::byte> Channel::receive_answer() {
  co_await require_input(1);
  const std::byte answer = stream_.input().front();
  stream_.consume(1);
  co_return answer;
}

event::Task<> Channel::require_input(std::size_t size) {
  while (stream_.input().size() < size) {
    const bool grown = co_await stream_.fill();
    if (!grown) throw_end();
  }
}

void Channel::throw_malformed(const char* what) const {
  const auto who = peer_ == kClientName ? BrokenProtocol::By::Client : BrokenProtocol::By::Server;
  throw BrokenProtocol(who, fmt::format("{} broke the protocol: {}", peer_, what));
}

void Channel::throw_end() const {
  const net::Tls* const tls = stream_.tls();
  if (tls != nullptr && tls->state() == net::Tls::State::Failed) {
    throw PeerError(fmt::format("TLS with the {} failed: {}", peer_, tls->error()));
  }
  const std::string what = fmt::format("{} closed the connection", peer_);
  if (peer_ == kClientName) throw ClientGone(what);
  throw PeerError(what);
}

void Channel::send(Buffer messages) {
  stream_.write(messages);
  auth::wipe(messages);
}

}  // namespace perilune::proto::postgres
