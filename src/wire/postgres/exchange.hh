#pragma once

// The command phase of one session as a proxy sees it.

#include <bitset>
#include <cstddef>
#include <cstdint>

#include "util/bytes.hh"
#include "wire/postgres/due_ring.hh"
#include "wire/postgres/framing.hh"
#include "wire/postgres/protocol.hh"

namespace perilune::wire::postgres {

enum class Stop : std::uint8_t {
  None,
  Intercept,  // a message of the given set begins here, and could be forwarded now
  Full,       // what begins here must wait for the server: too much is outstanding
  Malformed,  // the protocol was violated here; reason() says how. Final
};

struct Progress {
  std::size_t consumed;  // bytes that have been followed and may be forwarded
  Stop stop;
};

// Learns what passes, as it passes. May throw, and that throws client(), forwarded() or server().
class ExchangeObserver {
 public:
  // A message of the client's begins, whose body follows in pieces. has_place: it is the youngest
  // of those outstanding now; one that is ignored has none, nor has one that nothing answers.
  virtual void message_begins(FrontendTag tag, bool has_place) = 0;
  virtual void message_bytes(Bytes piece) = 0;
  virtual void message_ends() = 0;

  // Of the body of a server's message that comes in pieces, before it is complete.
  virtual void answer_piece(BackendTag tag, Bytes piece) = 0;
  // A message of the server's that belongs to the oldest outstanding one, or, if it is a changed
  // parameter, to none. The body is empty if it came in pieces.
  virtual void answer(BackendTag tag, Bytes body) = 0;
  // Rows that were passed over.
  virtual void rows(std::size_t count) = 0;

  // Places are given up: that of the oldest, which is answered; those of so many, of which the
  // oldest has failed and the others are ignored; those from the second to the one before `end`.
  virtual void answered() = 0;
  virtual void failed(std::size_t count) = 0;
  virtual void read_over(std::size_t end) = 0;

 protected:
  ~ExchangeObserver() = default;
};

// Indexed by FrontendTag.
using MessageSet = std::bitset<256>;

// Follows both directions of the command phase, in pieces cut anywhere, so that at every byte it is
// known which answers are outstanding and whether a transaction is open. Keeps no message: at most
// a header and a byte of one that came in pieces. Begins behind the login's ReadyForQuery. Every
// byte that goes to the other side must pass through here, client bytes before the answer to them,
// except messages taken off the stream after Stop::Intercept.
//
// The order of answers: simple Query and FunctionCall end in ReadyForQuery, whatever they say.
// Parse, Bind, Describe, Execute and Close have an answer each; an error instead makes the server
// ignore all up to the next Sync, Query and FunctionCall included. Sync is answered by
// ReadyForQuery, except that COPY FROM STDIN reads over Syncs until its CopyDone or CopyFail.
// Notices, notifications and changed parameters may come anywhere.
class Exchange {
 public:
  // A server that writes its answers only when 8 KiB of them have come together (PqSendBuffer) or
  // it is told to has answered some of so many: waiting for it ends.
  static constexpr std::size_t kMaxOutstanding = DueRing::kMax;

  // Told from now on; null: nobody.
  void set_observer(ExchangeObserver* observer) noexcept { observer_ = observer; }

  // Follows what the client sent, as many messages as `in` holds. The start of a message that `in`
  // ends in before its fifth byte is not consumed (and Stop::None): come again with more.
  // Everything else is. pass_first: the message that `in` begins with was intercepted before and
  // may pass. Throws std::bad_alloc alone.
  Progress client(Bytes in, const MessageSet& intercept, bool pass_first = false);

  // Follows what the client sent and nobody forwards: all that is ignored after an error that
  // the proxy sent in answer to a message of the extended protocol. Stops with Intercept at Sync or
  // Terminate, which are to be forwarded, and otherwise as client() does.
  Progress discard(Bytes in) noexcept;

  // Follows what the server sent. Everything is consumed unless malformed: then the complete
  // messages before the malformed one are, and of that maybe its first bytes.
  Progress server(Bytes in);

  // Enters a message that goes to the server and did not come through client(): one taken off the
  // stream after Stop::Intercept, or the proxy's own. Not while the exchange would stop with Full,
  // and only when the client is at a border. The body is for the observer.
  void forwarded(FrontendTag tag, Bytes body = {});

  // Messages that the server is still to answer or, in COPY, to read.
  std::size_t outstanding() const noexcept { return due_.size(); }
  // Some of their answers may be kept back by the server until Flush or Sync. Who must have them
  // (to put one of its own behind them) sends Flush.
  bool needs_flush() const noexcept { return unflushed_ && !due_.empty(); }

  // Nothing outstanding, no COPY, no series of the extended protocol that lacks its Sync, and both
  // sides at a border. A session that is idle and not in_transaction() can end here without harm.
  bool idle() const noexcept {
    return due_.empty() && !unsynced_ && client_at_border() && server_at_border();
  }
  // The client's next byte begins a message.
  bool client_at_border() const noexcept { return client_left_ == 0; }
  // The server's next byte begins a message: here something may be put in. An answer of the proxy's
  // own belongs where nothing is outstanding.
  bool server_at_border() const noexcept { return server_.between_messages(); }

  // Messages were sent in the extended protocol that no Sync or Query has followed: the server is
  // in a transaction, even if status() says otherwise.
  bool unsynced() const noexcept { return unsynced_; }
  // The server ignores all that is sent before the next Sync.
  bool skipping() const noexcept { return skipping_; }
  // COPY FROM STDIN or START_REPLICATION: the client's data is expected.
  bool copying_in() const noexcept { return copy_ == Copy::In || copy_ == Copy::Both; }
  bool copying_out() const noexcept { return copy_ == Copy::Out || copy_ == Copy::Both; }
  // The server streams its log.
  bool replicating() const noexcept { return copy_ == Copy::Both; }

  // As of the last ReadyForQuery; the login's is set by hand.
  TransactionStatus status() const noexcept { return status_; }
  void set_status(TransactionStatus status) noexcept { status_ = status; }
  bool in_transaction() const noexcept { return status_ != TransactionStatus::Idle; }

  // The server's last message, notices and the like aside, is an error: if it closes the connection
  // now, it has said why.
  bool last_word_is_error() const noexcept { return last_word_is_error_; }
  // That error answers nothing: the server shuts down, was told to end the session, or found it
  // idle for too long.
  bool server_said_goodbye() const noexcept { return said_goodbye_; }
  // Terminate was seen.
  bool quit() const noexcept { return quit_; }

  // Query, Execute and FunctionCall messages seen so far; wraps around: for differences.
  std::uint32_t commands() const noexcept { return commands_; }
  // Those whose answers have ended so far, by an error or not; wraps around likewise. What the
  // server ignores has no answer.
  std::uint32_t answered() const noexcept { return answered_; }

  // After Stop::Malformed, of either direction: what was wrong, and whether the client is to blame
  // and not the server.
  const char* reason() const noexcept { return reason_ != nullptr ? reason_ : ""; }
  bool client_broke() const noexcept { return client_broke_; }

 private:
  enum class Copy : std::uint8_t { None, In, Out, Both };

  Stop look(MessageHeader header, const MessageSet& intercept, bool pass) noexcept;
  Stop check(MessageHeader header) noexcept;
  std::size_t pass_client(MessageHeader header, std::size_t available) noexcept;
  void tell_bytes(Bytes piece);
  void enter(FrontendTag tag);
  void take_place(FrontendTag tag);
  void enter_sync();
  void enter_extended(Due due);

  std::size_t pass_bulk(Bytes in);
  std::size_t pass_message(Bytes in);
  std::size_t continue_server(Bytes in);
  bool is_sound(MessageHeader header) noexcept;
  bool message(BackendTag tag, std::uint8_t first);
  bool answer(BackendTag tag, std::uint8_t first);
  bool ready(std::uint8_t status);
  void error();
  void begin_copy(BackendTag tag) noexcept;
  void end_copy(bool failed);
  void doubt(std::size_t syncs) noexcept;
  void count_answer() noexcept;
  void skip_to_sync();
  void settle();
  void pop();
  void tell_answer(BackendTag tag, Bytes body);

  bool failed() const noexcept { return reason_ != nullptr; }
  void server_fails(const char* reason) noexcept { reason_ = reason; }
  Stop client_fails(const char* reason) noexcept {
    reason_ = reason;
    client_broke_ = true;
    return Stop::Malformed;
  }

  const char* reason_ = nullptr;
  ExchangeObserver* observer_ = nullptr;
  DueRing due_;
  MessagePosition server_;
  std::uint32_t client_left_ = 0;  // of the body that passes
  std::uint32_t commands_ = 0;
  std::uint32_t answered_ = 0;
  // Syncs that COPY FROM STDIN has read over, or answers yet: nobody saw where it failed.
  std::uint16_t doubtful_ = 0;
  BackendTag server_tag_{};        // of the message that passes in pieces
  std::uint8_t server_first_ = 0;  // its body's first byte
  bool awaits_first_ = false;
  Copy copy_ = Copy::None;
  TransactionStatus status_ = TransactionStatus::Idle;
  bool unsynced_ = false;
  bool unflushed_ = false;
  bool skipping_ = false;
  bool last_word_is_error_ = false;
  bool said_goodbye_ = false;
  bool quit_ = false;
  bool client_broke_ = false;
};

// Every idle session has one.
static_assert(sizeof(Exchange) <= 88);

}  // namespace perilune::wire::postgres
