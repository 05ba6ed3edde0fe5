#pragma once

// net: sockets as the rest sees them: addresses, streams, listeners, who the peer is. Knows no
// protocol and no policy.

#include <uv.h>

#include <coroutine>
#include <cstddef>
#include <memory>

#include "event/handle.hh"
#include "event/loop.hh"
#include "event/task.hh"
#include "net/tls.hh"
#include "util/bytes.hh"
#include "util/clock.hh"
#include "util/fd.hh"

namespace perilune::net {

class Stream;

// Is told that a peer has ended its side (code 0) or broken off (UV_E…) while nobody reads.
class HangupListener {
 public:
  virtual void on_hangup(int code) = 0;

 protected:
  virtual ~HangupListener() = default;
};

// Takes what a stream receives, as it arrives, without a copy. All calls come from the loop; the
// last thing a call does may be to destroy the stream only where it says so.
class Receiver {
 public:
  // `data` is valid during the call only. Returns how many bytes were dealt with; the stream keeps
  // the rest and offers it again, with what follows, when more arrives or offer() is called.
  virtual std::size_t on_data(Bytes data) = 0;
  // After on_data, once the rest is kept: may resume coroutines and destroy the stream.
  virtual void after_data() = 0;
  // The peer ended its side (code 0) or the connection broke (UV_E…), maybe behind data that is
  // still kept while the stream is paused: offer() tells the end again. May destroy the stream.
  virtual void on_end(int code) = 0;
  // The write queue has fallen to half the high-water mark, or is lost. May destroy the stream.
  virtual void on_drained() = 0;

 protected:
  ~Receiver() = default;
};

// A connected stream socket. Reads go through the loop's shared buffer; only what nobody takes at
// once is kept here, so an idle stream holds no buffer. At most one fill() and one flushed() are
// awaited at a time, and not while a receiver is set.
class Stream {
 public:
  static constexpr std::size_t kHighWater = 256 * 1024;  // bytes queued before a writer should wait

  // Takes over a connected, non-blocking socket.
  Stream(event::Loop& loop, UniqueFd socket);
  // Takes over a connected libuv handle.
  Stream(event::Loop& loop, event::Handle<uv_tcp_t> socket);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();

  event::Loop& loop() noexcept { return loop_; }
  int fd() const noexcept;
  void set_no_delay() noexcept;  // for TCP only

  // While set, what was received and queued is overwritten once it is done with: it may hold a
  // password.
  void set_sensitive(bool sensitive) noexcept;

  // From here on both directions are TLS, beginning with what is kept of the input. The handshake
  // goes on while somebody reads: fill() also returns when it is over. What is written before that
  // is dropped.
  void start_tls(std::unique_ptr<Tls> tls);
  const Tls* tls() const noexcept { return tls_.get(); }

  // --- reading, as a story
  Bytes input() const noexcept { return Bytes{kept_}.subspan(kept_begin_); }
  void consume(std::size_t count) noexcept;
  // co_await fill(): true when input() has grown, false when the peer has ended its side (also when
  // the connection broke: end_code() tells).
  class Fill;
  Fill fill() noexcept;
  bool has_ended() const noexcept { return ended_; }
  int end_code() const noexcept { return end_code_; }
  // Has the end of the peer noticed although nobody waits for its data yet.
  void begin_reading() { start_reading(); }
  // Called once; not noticed behind data that nobody has taken.
  void set_hangup_listener(HangupListener* listener) noexcept { hangup_listener_ = listener; }

  // --- reading, as a pump
  void set_receiver(Receiver* receiver) noexcept;  // null: back to the story
  // Gives the receiver what was kept, or, if nothing was, the end that came meanwhile. May destroy
  // the stream.
  void offer();
  void pause() noexcept;
  void resume() noexcept;
  bool is_paused() const noexcept { return paused_; }

  // --- writing
  // Writes at once what the kernel takes and queues a copy of the rest. After an error the bytes
  // are dropped: the end of the reading side tells what happened.
  void write(Bytes data);
  std::size_t queued() const noexcept;
  bool is_broken() const noexcept { return broken_; }  // a write failed
  // The connection broke, as reading or writing has shown.
  bool has_broken_off() const noexcept { return broken_ || end_code_ < 0; }
  // co_await flushed(): when nothing is queued any more, or writing failed.
  class Flushed;
  Flushed flushed() noexcept;
  void shut_down() noexcept;  // ends our side once the queue is empty
  // Breaks the connection off: what is queued is lost, and a TCP peer sees a reset. Others see an
  // end: unix sockets know no resets.
  void reset() noexcept;

 private:
  struct WriteRequest;

  uv_stream_t* uv() const noexcept { return reinterpret_cast<uv_stream_t*>(socket_.get()); }
  void start_reading();
  void stop_reading() noexcept;
  void received(ssize_t count);
  void received_cipher(Bytes cipher);
  MutableBytes decrypt(Bytes cipher);
  void flush_cipher();
  void deliver(MutableBytes data);
  void discard(MutableBytes used) const noexcept;
  void mark_end(int code) noexcept;
  void tell_end();
  void wake_reader();
  void keep(Bytes data);
  void write_raw(Bytes data);
  void queue(Bytes data);
  void written(int status);

  event::Loop& loop_;
  event::Handle<uv_tcp_t> socket_;
  std::unique_ptr<Tls> tls_;
  Buffer kept_;
  std::size_t kept_begin_ = 0;
  Receiver* receiver_ = nullptr;
  Fill* reader_ = nullptr;
  Flushed* writer_ = nullptr;
  HangupListener* hangup_listener_ = nullptr;
  int end_code_ = 0;
  bool ended_ = false;
  bool reading_ = false;
  bool paused_ = false;
  bool broken_ = false;
  bool above_high_water_ = false;
  bool sensitive_ = false;
};

class Stream::Fill {
 public:
  explicit Fill(Stream& stream) noexcept : stream_(stream) {}
  Fill(const Fill&) = delete;
  Fill& operator=(const Fill&) = delete;
  ~Fill();
  bool await_ready() const noexcept { return stream_.ended_; }
  void await_suspend(std::coroutine_handle<> waiter);
  bool await_resume() const noexcept { return waiter_ && !at_end_; }

 private:
  friend class Stream;
  Stream& stream_;
  std::coroutine_handle<> waiter_;
  bool at_end_ = false;
};

class Stream::Flushed {
 public:
  explicit Flushed(Stream& stream) noexcept : stream_(stream) {}
  Flushed(const Flushed&) = delete;
  Flushed& operator=(const Flushed&) = delete;
  ~Flushed();
  bool await_ready() const noexcept { return stream_.broken_ || stream_.queued() == 0; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept;
  void await_resume() const noexcept {}

 private:
  friend class Stream;
  Stream& stream_;
  std::coroutine_handle<> waiter_;
};

// Until the TLS that was started is open, or the stream has ended.
event::Task<> finish_handshake(Stream& stream);

inline Stream::Fill Stream::fill() noexcept { return Fill{*this}; }
inline Stream::Flushed Stream::flushed() noexcept { return Flushed{*this}; }

}  // namespace perilune::net
