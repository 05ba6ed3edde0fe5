#pragma once

#include <stdexcept>
#include <string>

namespace perilune {

// The other side of a connection broke its protocol, vanished or refused; ends one session.
class PeerError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The client went away: nothing to warn anybody of.
class ClientGone : public PeerError {
 public:
  using PeerError::PeerError;
};

// The configuration or the machine does not allow what was asked; the message is for the admin.
class ConfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A system call failed; the message is "what: strerror".
class SystemError : public std::runtime_error {
 public:
  SystemError(const std::string& what, int errno_value);
  int code() const noexcept { return code_; }

 private:
  int code_;
};

}  // namespace perilune
