#pragma once

// mysql_native_password: answer = SHA1(password) XOR SHA1(scramble + SHA1(SHA1(password))).
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_authentication_methods_native_password_authentication.html

#include <memory>
#include <optional>

#include "auth/digests.hh"
#include "auth/mysql_login.hh"
#include "auth/random.hh"
#include "auth/secret.hh"

namespace perilune::auth {

// Both want a password that is not empty: accounts without one answer with no bytes at all.
Sha1 native_answer(const Secret& password, const MysqlScramble& scramble);
Sha1 native_answer_from_sha1(const Sha1& password_sha1, const MysqlScramble& scramble);

// `verifier` is SHA1(SHA1(password)), which servers store as *HEX40. A right answer yields
// SHA1(password), good for logging in to a server that stores the same verifier.
std::optional<Secret> verify_native(Bytes answer, const MysqlScramble& scramble,
                                    const Sha1& verifier);

std::unique_ptr<MysqlLogin> make_native_login(const Credentials& credentials, Transport transport);

}  // namespace perilune::auth
