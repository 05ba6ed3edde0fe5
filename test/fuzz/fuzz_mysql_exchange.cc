// Two streams through the exchange, once in the pieces that the input says and once cut further:
// both must come to the same end.
//
// Input: a byte of flags, a byte for the size of the smaller pieces, then pieces, each with a byte
// for its direction, two for its length, and so many bytes (or what is left).

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/expect.hh"
#include "wire/cursor.hh"
#include "wire/mysql/exchange.hh"
#include "wire/mysql/framing.hh"

using namespace perilune;
using namespace perilune::wire::mysql;

namespace {

std::uint64_t capabilities(std::uint8_t flags) {
  std::uint64_t chosen = capability::kProtocol41;
  if ((flags & 1) != 0) chosen |= capability::kDeprecateEof;
  if ((flags & 2) != 0) chosen |= capability::kOptionalResultsetMetadata;
  if ((flags & 4) != 0) chosen |= capability::kMariadbCacheMetadata;
  return chosen;
}

// What a proxy does around an exchange, as far as its bookkeeping is concerned.
class Follower {
 public:
  explicit Follower(std::uint8_t flags) : exchange_(capabilities(flags)) {
    if ((flags & 8) != 0) intercept_.set(static_cast<std::size_t>(Command::Query));
    intercept_.set(static_cast<std::size_t>(Command::ChangeUser), (flags & 16) != 0);
  }

  void client(Bytes bytes) {
    append(pending_, bytes);
    for (;;) {
      const Progress progress = exchange_.client(pending_, intercept_);
      expect(progress.consumed <= pending_.size());
      drop(progress.consumed);
      if (progress.stop == Stop::None) expect(pending_.size() <= kHeaderSize);
      if (progress.stop != Stop::Intercept || !take_command()) break;
    }
    check();
  }

  void server(Bytes bytes) {
    const Progress progress = exchange_.server(bytes);
    expect(progress.consumed <= bytes.size());
    expect(progress.stop == Stop::None || progress.stop == Stop::Malformed);
    if (progress.stop == Stop::None) expect(progress.consumed == bytes.size());
    check();
  }

  const Exchange& exchange() const { return exchange_; }
  const Buffer& pending() const { return pending_; }

 private:
  bool take_command() {
    const PacketHeader header = decode_header(pending_);
    const auto command = static_cast<Command>(pending_[kHeaderSize]);
    const bool whole = pending_.size() >= kHeaderSize + header.length;
    if (!whole || header.length == kMaxPacket || command == Command::ChangeUser) return false;
    exchange_.forwarded(command, header.sequence);
    drop(kHeaderSize + header.length);
    return true;
  }

  void drop(std::size_t size) {
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(size));
  }

  void check() const {
    expect(exchange_.outstanding() <= Exchange::kMaxOutstanding + 1);
    expect(exchange_.owed_sequence().has_value() == exchange_.server_at_border());
    if (exchange_.idle()) expect(exchange_.outstanding() == 0 && exchange_.owed_sequence() == 0);
  }

  Exchange exchange_;
  CommandSet intercept_;
  Buffer pending_;
};

void feed(Follower& follower, bool from_client, Bytes bytes, std::size_t size) {
  while (!bytes.empty()) {
    const Bytes piece = bytes.first(std::min(size, bytes.size()));
    bytes = bytes.subspan(piece.size());
    from_client ? follower.client(piece) : follower.server(piece);
  }
}

void expect_same(const Follower& one, const Follower& other) {
  const Exchange& a = one.exchange();
  const Exchange& b = other.exchange();
  expect(std::string_view{a.reason()} == b.reason());
  if (!std::string_view{a.reason()}.empty()) return;
  expect(one.pending() == other.pending());
  expect(a.outstanding() == b.outstanding());
  expect(a.status() == b.status());
  expect(a.idle() == b.idle());
  expect(a.client_at_border() == b.client_at_border());
  expect(a.owed_sequence() == b.owed_sequence());
  expect(a.server_said_goodbye() == b.server_said_goodbye());
  expect(a.quit() == b.quit());
  expect(a.replicating() == b.replicating());
  expect(a.opaque() == b.opaque());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  wire::Cursor in{{reinterpret_cast<const std::byte*>(data), size}};
  const std::uint8_t flags = in.u8();
  const std::size_t piece_size = std::size_t{in.u8()} + 1;
  Follower whole{flags};
  Follower cut{flags};
  while (in.left() > 3) {
    const bool from_client = (in.u8() & 1) != 0;
    const std::size_t wanted = in.u16();
    const Bytes bytes = in.take(std::min(wanted, in.left()));
    feed(whole, from_client, bytes, bytes.size());
    feed(cut, from_client, bytes, piece_size);
    expect_same(whole, cut);
  }
  return 0;
}
