#pragma once

// caching_sha2_password. Fast exchange, when the server has SHA256(SHA256(password)) cached:
// answer = SHA256(password) XOR SHA256(SHA256(SHA256(password)) + scramble). Full exchange
// otherwise: the password in clear over TLS or a unix socket, or encrypted with the server's key.
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html

#include <cstddef>
#include <memory>
#include <optional>

#include "auth/digests.hh"
#include "auth/mysql_login.hh"
#include "auth/random.hh"
#include "auth/secret.hh"

namespace perilune::auth {

// What the first byte of AuthMoreData says, and what a client asks with one byte.
inline constexpr std::byte kRequestPublicKey{0x02};
inline constexpr std::byte kFastAuthSuccess{0x03};
inline constexpr std::byte kPerformFullAuthentication{0x04};

// Wants a password that is not empty.
Sha256 caching_sha2_answer(const Secret& password, const MysqlScramble& scramble);

// `verifier` is SHA256(SHA256(password)). A right answer yields SHA256(password), with which the
// next fast answer can be made, but no full exchange.
std::optional<Secret> verify_caching_sha2(Bytes answer, const MysqlScramble& scramble,
                                          const Sha256& verifier);

std::unique_ptr<MysqlLogin> make_caching_sha2_login(const Credentials& credentials,
                                                    Transport transport);

}  // namespace perilune::auth
