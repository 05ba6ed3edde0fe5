#pragma once

#include <utility>

#include "util/unique_function.hh"

namespace perilune::session {

class Session;

// The sessions of a worker, without an allocation for each; a session enters it once and leaves it
// in its destructor.
class SessionList {
 public:
  // `left` is called after each session that ends.
  explicit SessionList(UniqueFunction<void()> left) : left_(std::move(left)) {}
  SessionList(const SessionList&) = delete;
  SessionList& operator=(const SessionList&) = delete;

  void enter(Session& session) noexcept;
  void leave(Session& session);

  // Calls function(Session&) for each; the function may end the session it was given.
  template <typename Function>
  void for_each(Function function);

 private:
  Session* first_ = nullptr;
  UniqueFunction<void()> left_;
};

}  // namespace perilune::session
