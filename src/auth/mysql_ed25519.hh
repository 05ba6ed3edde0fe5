#pragma once

// client_ed25519, MariaDB's: the server sends 32 bytes, the client answers with their signature by
// a secret that is the password itself, whatever its length; the server stores the public key, in
// base64 without padding. Named "ed25519" in SQL.
// MariaDB server, plugin/auth_ed25519/server_ed25519.c, auth(); MariaDB Connector/C,
// plugins/auth/ed25519.c, auth_ed25519_client().

#include <memory>

#include "auth/mysql_login.hh"

namespace perilune::auth {

std::unique_ptr<MysqlLogin> make_ed25519_login(const Credentials& credentials, Transport transport);

}  // namespace perilune::auth
