#pragma once

#include <cstddef>
#include <memory>

#include "session/log_outlet.hh"
#include "util/bytes.hh"

namespace perilune::session {

// The place of a phase's log of statements (a protocol's StatementLog), empty until there is
// anything to log. A session without logs pays with the test of a pointer.
template <typename StatementLog>
class LogSlot {
 public:
  // Fills the place if somebody wants a log by now; true: just now. `outstanding` answers belong to
  // what nobody has logged.
  bool mind(Session& session, std::size_t outstanding) {
    if (log_ || !LogOutlet::is_wanted(session)) return false;
    log_ = std::make_unique<StatementLog>(session, outstanding);
    return true;
  }

  explicit operator bool() const noexcept { return log_ != nullptr; }
  StatementLog* operator->() const noexcept { return log_.get(); }
  StatementLog* get() const noexcept { return log_.get(); }

  // Bytes of either side are here.
  void bytes_arrived() noexcept {
    if (log_) log_->bytes_arrived();
  }
  // What the client has sent, for logs of this format.
  void write_raw(Bytes bytes) {
    if (log_) log_->outlet().write_raw(bytes);
  }
  // The protocol must not go on before outlet().settle().
  bool is_blocked() const noexcept { return log_ && log_->outlet().is_blocked(); }

 private:
  std::unique_ptr<StatementLog> log_;
};

}  // namespace perilune::session
