#pragma once

#include <optional>

#include "auth/secret.hh"
#include "event/task.hh"

namespace perilune::session {

// The client of a login that is being decided, as far as the script may ask it who it is. A client
// can be challenged once: what is asked later is judged by what is known then. Both throw
// std::runtime_error, fit for the script's author, when that does not suffice or the client answers
// nonsense. What was learnt serves the login at the server.
class Challenger {
 public:
  // `secret`: the password, or what the server stores of it. None: for a user that does not exist:
  // challenges like any other, and says no.
  virtual event::Task<bool> verify(std::optional<auth::Secret> secret) = 0;

  // The password itself.
  virtual event::Task<auth::Secret> read_password() = 0;

 protected:
  ~Challenger() = default;
};

}  // namespace perilune::session
