#pragma once

// The command phase of one session as a proxy sees it.

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "util/bytes.hh"
#include "wire/mysql/answer.hh"
#include "wire/mysql/command_ring.hh"
#include "wire/mysql/packet_position.hh"
#include "wire/mysql/protocol.hh"

namespace perilune::wire::mysql {

enum class Stop : std::uint8_t {
  None,
  Intercept,  // a command of the given set begins here, and could be forwarded now
  Full,       // what begins here must wait for the server: too many commands are outstanding, or
              // the answer decides whether it is a command at all
  Malformed,  // the protocol was violated here; reason() says how. Final
};

struct Progress {
  std::size_t consumed;  // bytes that have been followed and may be forwarded
  Stop stop;
};

// Is told what passes through an Exchange, by those who must know more of it than the Exchange
// keeps.
class ExchangeObserver {
 public:
  // A command of the client begins; its payload, the first byte included, follows in pieces.
  virtual void command_begins(Command command) = 0;
  virtual void command_bytes(Bytes piece) = 0;
  virtual void command_ends() = 0;
  // Of a payload of an answer that comes in pieces, before it is complete.
  virtual void answer_piece(Bytes piece) = 0;
  // A payload of the answer to the oldest command, as Answer::payload() gets it, and what it is.
  struct Part {
    bool is_head = false;      // OK, ERR, or what says how many columns there are
    bool begins_rows = false;  // the last before the rows
    bool is_row = false;
  };
  virtual void answer_payload(Bytes head, Part part) = 0;
  virtual void rows(std::size_t count) = 0;  // that were passed over
  // That answer is complete.
  virtual void answered() = 0;

 protected:
  ~ExchangeObserver() = default;
};

// Indexed by Command.
using CommandSet = std::bitset<256>;

// Follows both directions of the command phase, in pieces cut anywhere, so that at every byte it is
// known which answers are outstanding and whether a transaction is open. Keeps no packet: at most
// the first bytes of one that came in pieces. Every byte that goes to the other side must pass
// through here, client bytes before the answer to them, except commands taken off the stream after
// Stop::Intercept.
class Exchange {
 public:
  static constexpr std::size_t kMaxOutstanding = 4096;

  // capabilities: those negotiated with the client, which are those negotiated with the server.
  explicit Exchange(std::uint64_t capabilities) noexcept : answer_(capabilities) {}

  // Told from now on; null: nobody. Commands entered by forwarded() are not told to have begun.
  void set_observer(ExchangeObserver* observer) noexcept { observer_ = observer; }

  // Follows what the client sent, as many packets as `in` holds. The start of a command that `in`
  // ends in before its fifth byte is not consumed (and Stop::None): come again with more.
  // Everything else is. pass_first: the command that `in` begins with was intercepted before and
  // may pass. Throws std::bad_alloc alone.
  Progress client(Bytes in, const CommandSet& intercept, bool pass_first = false);

  // Follows what the server sent. Everything is consumed unless malformed: then the complete
  // packets before the malformed one are, and of that maybe its first bytes. Malformed may be the
  // client's fault: client_broke().
  Progress server(Bytes in);

  // Enters a command that was taken off the stream after Stop::Intercept and now goes to the
  // server. last_sequence: that of its last packet. Not for COM_CHANGE_USER, whose answer is a
  // login, and not while the exchange would stop with Full.
  void forwarded(Command command, std::uint8_t last_sequence);

  // Answers that the server still owes.
  std::size_t outstanding() const noexcept { return due_.size(); }

  // Nothing outstanding, and both sides at a border.
  bool idle() const noexcept { return due_.empty() && client_at_border() && server_at_border(); }
  // The client's next byte begins a command.
  bool client_at_border() const noexcept {
    return mode_ == Mode::Commands && client_.between_payloads();
  }
  // The server's next byte begins a payload: here an error may be put in.
  bool server_at_border() const noexcept {
    return mode_ != Mode::Opaque && server_.between_payloads();
  }

  bool in_transaction() const noexcept {
    return (status() & (status::kInTransaction | status::kInTransactionReadonly)) != 0;
  }
  // As of the last OK or EOF packet; the login's is set by hand.
  std::uint16_t status() const noexcept { return answer_.status(); }
  void set_status(std::uint16_t status) noexcept { answer_.set_status(status); }
  // The answer seen last, in part or as a whole, is an error.
  bool last_answer_failed() const noexcept { return answer_.has_failed(); }

  // The sequence number of the next packet of the answer in progress or due, 0 when none is: what
  // an error put in here must carry. Nothing while the server is inside a payload, for good if that
  // proved malformed after a part of it had been consumed.
  std::optional<std::uint8_t> owed_sequence() const noexcept;

  // The server sent an error that answers nothing: it shuts down, was told to kill the session, or
  // found it idle for too long.
  bool server_said_goodbye() const noexcept { return said_goodbye_; }
  // COM_QUIT was seen.
  bool quit() const noexcept { return quit_; }
  // The server streams a binary log: of the client, only acknowledgements and COM_QUIT pass.
  bool replicating() const noexcept { return mode_ == Mode::Replication; }
  // The server agreed to speak another protocol from here on; everything passes.
  bool opaque() const noexcept { return mode_ == Mode::Opaque; }

  // Commands seen so far, those without an answer too; wraps around: for differences.
  std::uint32_t commands() const noexcept { return commands_; }

  // After Stop::Malformed, of either direction: what was wrong, and whether the client is to blame
  // and not the server.
  const char* reason() const noexcept { return reason_ != nullptr ? reason_ : ""; }
  bool client_broke() const noexcept { return client_broke_; }

 private:
  // What the client's payloads are.
  enum class Mode : std::uint8_t { Commands, LocalFile, Replication, Opaque };

  bool awaits_agreement() const noexcept;
  Stop begin_command(Bytes in, const CommandSet& intercept, bool pass);
  Stop begin_acknowledgement(Bytes in);
  std::size_t continue_client(Bytes in);
  bool client_header(PacketHeader header) noexcept;
  void enter(Command command, std::uint8_t sequence);
  void tell_client(Bytes piece);

  std::size_t pass_rows(Bytes in);
  std::size_t pass_packet(Bytes in);
  std::size_t continue_server(Bytes in);
  void gather_head(Bytes body) noexcept;
  void payload(Bytes head, std::uint32_t length, std::uint8_t sequence);
  void unsolicited(Bytes head) noexcept;
  void answered();
  void request_file(std::uint8_t sequence) noexcept;
  void take_over() noexcept;

  bool failed() const noexcept { return reason_ != nullptr; }
  void server_fails(const char* reason) noexcept { reason_ = reason; }
  void client_fails(const char* reason) noexcept {
    reason_ = reason;
    client_broke_ = true;
  }

  const char* reason_ = nullptr;
  ExchangeObserver* observer_ = nullptr;
  CommandRing due_;
  PacketPosition client_;
  PacketPosition server_;
  Answer answer_;                                // to due_.front(), once answering_
  std::array<std::byte, Answer::kHead> head_{};  // of a server's payload that came in pieces
  std::uint32_t commands_ = 0;
  std::uint32_t head_length_ = 0;  // of that payload's first packet
  std::uint8_t head_bytes_ = 0;
  Mode mode_ = Mode::Commands;
  bool answering_ : 1 = false;      // the first payload of the answer to due_.front() was seen
  bool sending_due_ : 1 = false;    // the client's payload is that of due_.back()
  bool silent_behind_ : 1 = false;  // a command without answer was sent behind due_.back()
  bool held_back_ : 1 = false;      // the client has sent what was not consumed
  bool said_goodbye_ : 1 = false;
  bool quit_ : 1 = false;
  bool client_broke_ : 1 = false;
};

// Every idle session has one.
static_assert(sizeof(Exchange) <= 136);

}  // namespace perilune::wire::mysql
