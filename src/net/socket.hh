#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>

#include "event/latch.hh"
#include "event/loop.hh"
#include "event/poll.hh"
#include "event/task.hh"
#include "net/address.hh"
#include "util/bytes.hh"
#include "util/failure.hh"
#include "util/fd.hh"
#include "util/result.hh"

namespace perilune::net {

// A connected, non-blocking socket of any type, for a talk of requests and answers: it buffers
// nothing. At most one waits to read and one to write.
class Socket {
 public:
  Socket(event::Loop& loop, UniqueFd socket);
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  bool is_open() const noexcept { return static_cast<bool>(socket_); }
  // Whoever waits goes on, and finds it closed.
  void close() noexcept;

  // Bytes, or a negative errno: -EAGAIN when the kernel has no room or nothing to read.
  ssize_t send(Bytes data) noexcept;
  ssize_t receive(MutableBytes buffer) noexcept;
  bool is_datagram() const noexcept { return datagram_; }

  bool has_reader() const noexcept { return reader_ != nullptr; }
  bool has_writer() const noexcept { return writer_ != nullptr; }
  // Until send() or receive() is worth another try. The socket outlives the task.
  event::Task<> readable() { return wait(reader_); }
  event::Task<> writable() { return wait(writer_); }

 private:
  friend event::Task<Result<std::shared_ptr<Socket>, Failure>> connect_socket(event::Loop& loop,
                                                                              Address address,
                                                                              int type);
  class Waiting;
  event::Task<> wait(event::Latch*& place);
  void watch();
  void ready(int events);
  int error() const noexcept;

  event::Loop& loop_;
  UniqueFd socket_;
  std::optional<event::Poll> poll_;  // closed before the socket
  event::Latch* reader_ = nullptr;
  event::Latch* writer_ = nullptr;
  bool datagram_ = false;
};

// `type` is SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET. Has no deadline of its own.
event::Task<Result<std::shared_ptr<Socket>, Failure>> connect_socket(event::Loop& loop,
                                                                     Address address, int type);

}  // namespace perilune::net
