// Two streams through the exchange, once in the pieces that the input says and once cut further:
// both must come to the same end.
//
// Input: a byte of flags, a byte for the size of the smaller pieces, then pieces, each with a byte
// for its direction, two for its length, and so many bytes (or what is left).

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/expect.hh"
#include "wire/cursor.hh"
#include "wire/postgres/exchange.hh"
#include "wire/postgres/framing.hh"

using namespace perilune;
using namespace perilune::wire::postgres;

namespace {

// Keeps a list of its own as long as that of what is outstanding.
class Listener final : public ExchangeObserver {
 public:
  void message_begins(FrontendTag, bool has_place) override {
    expect(!is_arriving_);
    is_arriving_ = true;
    if (has_place) ++places_;
  }
  void message_bytes(Bytes) override { expect(is_arriving_); }
  void message_ends() override {
    expect(is_arriving_);
    is_arriving_ = false;
  }
  void answer_piece(BackendTag, Bytes) override {}
  void answer(BackendTag tag, Bytes) override {
    expect(places_ > 0 || tag == BackendTag::ParameterStatus);
  }
  void rows(std::size_t count) override { expect(places_ > 0 && count > 0); }
  void answered() override { leave(1); }
  void failed(std::size_t count) override { leave(count); }
  void read_over(std::size_t end) override {
    expect(end > 0);
    leave(end - 1);
  }

  std::size_t places() const { return places_; }

 private:
  void leave(std::size_t count) {
    expect(count <= places_);
    places_ -= count;
  }

  std::size_t places_ = 0;
  bool is_arriving_ = false;
};

// What a proxy does around an exchange, as far as its bookkeeping is concerned.
class Follower {
 public:
  explicit Follower(std::uint8_t flags) : refuses_((flags & 2) != 0) {
    exchange_.set_observer(&listener_);
    if ((flags & 1) == 0) return;
    for (const char tag : {'Q', 'P', 'F'}) intercept_.set(static_cast<std::uint8_t>(tag));
  }

  void client(Bytes bytes) {
    append(pending_, bytes);
    for (bool more = true; more;) {
      const Progress progress =
          discards_ ? exchange_.discard(pending_) : exchange_.client(pending_, intercept_);
      expect(progress.consumed <= pending_.size());
      drop(progress.consumed);
      if (progress.stop == Stop::None) expect(pending_.size() < kHeaderSize);
      more = progress.stop == Stop::Intercept && take_message();
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

  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  const Exchange& exchange() const { return exchange_; }
  const Buffer& pending() const { return pending_; }

 private:
  // A refused Parse is discarded with all up to Sync.
  bool take_message() {
    const auto message = front_message(pending_, kMaxLength);
    expect(bool(message));
    const auto tag = static_cast<FrontendTag>(message->tag);
    if (discards_) {
      discards_ = false;
      return true;
    }
    if (!message->complete || exchange_.outstanding() >= Exchange::kMaxOutstanding) return false;
    discards_ = refuses_ && tag == FrontendTag::Parse;
    if (!discards_) exchange_.forwarded(tag);
    drop(message->size);
    return true;
  }

  void drop(std::size_t size) {
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(size));
  }

  void check() const {
    expect(exchange_.outstanding() <= Exchange::kMaxOutstanding);
    expect(exchange_.outstanding() == listener_.places());
    expect(!exchange_.skipping() || exchange_.outstanding() == 0);
    expect(!exchange_.skipping() || exchange_.unsynced());
    expect(!exchange_.copying_in() || exchange_.outstanding() > 0);
    expect(!exchange_.copying_out() || exchange_.outstanding() > 0);
    expect(!exchange_.needs_flush() || exchange_.outstanding() > 0);
    if (exchange_.idle()) expect(exchange_.outstanding() == 0 && !exchange_.skipping());
  }

  Listener listener_;
  Exchange exchange_;
  MessageSet intercept_;
  Buffer pending_;
  bool refuses_;
  bool discards_ = false;
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
  expect(a.unsynced() == b.unsynced());
  expect(a.skipping() == b.skipping());
  expect(a.needs_flush() == b.needs_flush());
  expect(a.copying_in() == b.copying_in());
  expect(a.copying_out() == b.copying_out());
  expect(a.client_at_border() == b.client_at_border());
  expect(a.server_at_border() == b.server_at_border());
  expect(a.last_word_is_error() == b.last_word_is_error());
  expect(a.server_said_goodbye() == b.server_said_goodbye());
  expect(a.quit() == b.quit());
  expect(a.commands() == b.commands());
  expect(a.answered() == b.answered());
  expect(a.answered() <= a.commands());
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
