#pragma once

#include <string_view>

#include "net/address.hh"
#include "util/fd.hh"

namespace perilune::sinks {

// A socket that is connected without waiting.
class Connection {
 public:
  Connection(net::Address address, int type) noexcept : address_(address), type_(type) {}

  enum class State { Connecting, Open, Failed };
  // Begins where there is none yet, goes on otherwise. Failed: `error()` says why, and the next
  // call begins anew.
  State advance();
  // A stream's peer that has gone away is noticed before bytes are lost to it.
  bool has_peer() const noexcept;
  // As send(2): bytes taken, or -1 and errno.
  ssize_t send(std::string_view bytes) const noexcept;
  void close() noexcept {
    socket_.reset();
    is_open_ = false;
  }

  bool is_open() const noexcept { return is_open_; }
  int fd() const noexcept { return socket_.value(); }
  int error() const noexcept { return error_; }
  bool is_stream() const noexcept;

 private:
  State begin();
  State fail(int error) noexcept;

  net::Address address_;
  int type_;
  UniqueFd socket_;
  bool is_open_ = false;
  int error_ = 0;
};

}  // namespace perilune::sinks
