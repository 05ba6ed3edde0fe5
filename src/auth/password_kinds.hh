#pragma once

// What a password is compared with in every protocol, besides what the servers store of it.

#include "auth/secret.hh"

namespace perilune::auth {

// Empty: an account without a password.
struct ClearPassword {
  Secret password;
};

// Every password is right: somebody wants to learn it.
struct AnyPassword {};

// Every password is wrong, at the price of a real comparison: for users that do not exist.
struct Nobody {};

}  // namespace perilune::auth
