#pragma once

#include <string>
#include <utility>

#include "script/action.hh"
#include "stats/callbacks.hh"
#include "util/clock.hh"

namespace perilune::script {

// Sets of what a callback may return.
using ActionSet = unsigned;

template <typename T, std::size_t Index = 0>
consteval ActionSet action() {
  if constexpr (std::is_same_v<T, std::variant_alternative_t<Index, Action::What>>) {
    return 1U << Index;
  } else {
    return action<T, Index + 1>();
  }
}

inline constexpr ActionSet kErr = action<session::Refuse>();
inline constexpr ActionSet kConnect = action<ConnectAction>();
inline constexpr ActionSet kFanout = action<session::FanOut>();
inline constexpr ActionSet kServe = action<ServeAction>();
inline constexpr ActionSet kQuery = action<session::SendInstead>();
inline constexpr ActionSet kInitDb = action<session::UseDatabase>();
inline constexpr ActionSet kOk = action<session::Succeed>();
inline constexpr ActionSet kResult = action<std::shared_ptr<const session::ResultTable>>();

// Counts a call of a script's function and the time that it took, its waiting included.
class CallbackTime {
 public:
  CallbackTime(stats::CallbackCells& cells, stats::Callback counted) noexcept
      : cells_(&cells), counted_(counted), began_(Clock::now()) {}
  CallbackTime(CallbackTime&& other) noexcept
      : cells_(std::exchange(other.cells_, nullptr)),
        counted_(other.counted_),
        began_(other.began_) {}
  CallbackTime& operator=(CallbackTime&&) = delete;
  ~CallbackTime() { stop(); }

  void stop() noexcept {
    if (cells_ != nullptr) std::exchange(cells_, nullptr)->finish(counted_, Clock::now() - began_);
  }

 private:
  stats::CallbackCells* cells_;
  stats::Callback counted_;
  Clock::time_point began_;
};

// A callback, how it is called in messages, and what it may return.
struct Callback {
  const char* name;
  stats::Callback counted;
  bool may_proceed;  // by returning nothing
  ActionSet allowed = 0;
  bool last_counts = false;  // of several results, as in myproxy; else a second one is an error
  bool is_checked = true;    // unchecked logins are refused

  bool allows(const Action& action) const noexcept {
    return (allowed & 1U << action.what.index()) != 0;
  }
  // "nothing, client:query(…) or client:err(…)"
  std::string expectation() const;
};

}  // namespace perilune::script
