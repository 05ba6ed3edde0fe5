#include "proto/mysql/channel.hh"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "auth/secret.hh"
#include "util/error.hh"
#include "wire/mysql/framing.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;

namespace {

// Growing leaves no copy behind.
void append_secret(Buffer& payload, Bytes more) {
  Buffer grown;
  grown.reserve(payload.size() + more.size());
  append(grown, payload);
  append(grown, more);
  auth::wipe(payload);
  payload = std::move(grown);
}

}  // namespace

namespace {

constexpr std::string_view kClientName = "Client";

}  // namespace

event::Task<Buffer> Channel::receive(std::size_t limit) {
  Buffer payload;
  bool more = true;
  while (more) {
    const wire::PacketHeader header = co_await next_header();
    if (payload.size() + header.length > limit) {
      throw PeerError(fmt::format("{} sent a packet of more than {} bytes", peer_, limit));
    }
    co_await require_input(wire::kHeaderSize + header.length);
    append_secret(payload, stream_.input().subspan(wire::kHeaderSize, header.length));
    stream_.consume(wire::kHeaderSize + header.length);
    ++sequence_;
    more = header.length == wire::kMaxPacket;
  }
  co_return payload;
}

event::Task<std::uint64_t> Channel::skip() {
  std::uint64_t skipped = 0;
  bool more = true;
  while (more) {
    const wire::PacketHeader header = co_await next_header();
    stream_.consume(wire::kHeaderSize);
    std::size_t left = header.length;
    while (left > 0) {
      co_await require_input(1);
      const std::size_t here = std::min(left, stream_.input().size());
      stream_.consume(here);
      left -= here;
    }
    skipped += wire::kHeaderSize + header.length;
    ++sequence_;
    more = header.length == wire::kMaxPacket;
  }
  co_return skipped;
}

event::Task<wire::PacketHeader> Channel::next_header() {
  co_await require_input(wire::kHeaderSize);
  const wire::PacketHeader header = wire::decode_header(stream_.input());
  if (header.sequence != sequence_) {
    throw PeerError(fmt::format("{} sent packets out of order", peer_));
  }
  co_return header;
}

event::Task<> Channel::require_input(std::size_t size) {
  while (stream_.input().size() < size) {
    const bool grown = co_await stream_.fill();
    if (!grown) throw_end();
  }
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

void Channel::send(Bytes payload) {
  Buffer packets;
  packets.reserve(payload.size() + wire::kHeaderSize * (payload.size() / wire::kMaxPacket + 1));
  wire::append_packets(packets, payload, sequence_);
  stream_.write(packets);
  auth::wipe(packets);
}

}  // namespace perilune::proto::mysql
