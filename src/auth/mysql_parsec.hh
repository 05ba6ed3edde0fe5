#pragma once

// parsec, of MariaDB from 11.6 on. The server sends 32 bytes; the client's empty answer asks for
// the salt, which comes as 'P', the binary logarithm of the iterations / 1024, and 18 bytes; the
// client answers with 32 bytes of its own and the Ed25519 signature of both scrambles. The secret
// is PBKDF2-HMAC-SHA512 of password and salt. A client that remembers the salt may sign at once and
// signs again if the server sends a salt nevertheless.
// MariaDB server, plugin/auth_parsec/server_parsec.cc, auth(); MariaDB Connector/C,
// plugins/auth/parsec.c, auth().

#include <array>
#include <cstdint>
#include <memory>

#include "auth/mysql_login.hh"

namespace perilune::auth {

// 262,144 iterations, a fifth of a second of a worker's time: the other side chooses the number.
// (The server's own accounts have 0.)
inline constexpr std::uint8_t kMaxParsecFactor = 8;

struct ParsecSalt {
  std::uint8_t factor = 0;  // iterations = 1024 << factor
  std::array<std::byte, 18> bytes{};
};

// As it travels.
Buffer encode_parsec_salt(const ParsecSalt& salt);
Result<ParsecSalt, AuthError> decode_parsec_salt(Bytes body);

// Takes a millisecond << factor.
Secret derive_parsec_secret(const Secret& password, const ParsecSalt& salt);

std::unique_ptr<MysqlLogin> make_parsec_login(const Credentials& credentials, Transport transport);

}  // namespace perilune::auth
