#pragma once

#include <string>

namespace perilune::auth {

// Why a login cannot go on; the message is fit for the log and never contains a secret.
struct AuthError {
  std::string message;
};

}  // namespace perilune::auth
