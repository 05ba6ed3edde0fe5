#pragma once

#include "auth/secret.hh"

namespace perilune::auth {

// RFC 4013 as PostgreSQL applies it to passwords: one that is not UTF-8, has prohibited or
// unassigned characters, or nothing left, is taken as it is; ASCII always is. libidn does not wipe
// what it used on the way, which only passwords beyond ASCII see.
Secret saslprep(const Secret& password);

}  // namespace perilune::auth
