#pragma once

#include <optional>

#include "util/bytes.hh"

namespace perilune::auth {

// RFC 5929, 4, "tls-server-end-point": the server's certificate, hashed as its signature was, but
// never by MD5 or SHA-1. Null: not a certificate, or a signature without such a hash (Ed25519),
// with which nobody can bind.
std::optional<Buffer> tls_server_end_point(Bytes certificate_der);

}  // namespace perilune::auth
