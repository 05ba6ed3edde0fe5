#pragma once

// sha256_password, MySQL's before caching_sha2_password: over TLS the answer is the password and a
// NUL; otherwise, unix sockets included, one byte asks for the server's RSA public key, with which
// the client encrypts the password.
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_authentication_methods_sha256.html
// MySQL server, sql/auth/sha2_password.cc, sha256_password_authenticate().

#include <cstddef>
#include <memory>

#include "auth/mysql_login.hh"

namespace perilune::auth {

// caching_sha2_password asks with another number.
inline constexpr std::byte kSha256RequestPublicKey{0x01};

std::unique_ptr<MysqlLogin> make_sha256_login(const Credentials& credentials, Transport transport);

}  // namespace perilune::auth
