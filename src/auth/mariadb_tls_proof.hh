#pragma once

// Why MariaDB's clients from 11.4 on trust a certificate that nobody signed: after the login the
// server's OK packet shows that it knows the password's hash and this certificate, which nobody in
// between does. It is 0x01 and SHA256(hash + scramble + fingerprint) as hexadecimal digits, upper
// case, in the OK packet's info field. A client looks at it only if it asked for TLS with
// verification, was given no CA, and could not trust the certificate otherwise; others show it as
// the OK's text or not at all.
//
//   method                 hash
//   mysql_native_password  SHA1(SHA1(password)), 20 bytes
//   client_ed25519         the public key, 32 bytes
//   parsec                 'P', factor, salt, public key, 52 bytes
//
// Other methods, and empty passwords, have no such proof: the client gives up, and that already
// before it answers if the greeting names such a method. The scramble is the greeting's first 20
// bytes, except that Connector/C takes a native AuthSwitchRequest's instead: whoever sends one
// repeats the greeting's, as MariaDB's server does. The fingerprint is SHA256 of the certificate in
// DER.
// MariaDB Connector/C, plugins/auth/my_auth.c, run_plugin_auth(), and hash_password_bin of the
// plugins; MariaDB's MDEV-31855.

#include <optional>
#include <string>
#include <string_view>

#include "auth/digests.hh"
#include "auth/mysql_verifier.hh"
#include "auth/random.hh"
#include "util/bytes.hh"

namespace perilune::auth {

// By the hash that a MysqlChallenge gives.
std::string mariadb_tls_proof(Bytes password_hash, const MysqlScramble& scramble,
                              const Sha256& fingerprint);

// By what was known before. Null: no proof by this method and this verifier; parsec needs a
// ParsecHash, as the salt is part of the hash.
std::optional<std::string> mariadb_tls_proof(std::string_view plugin, const MysqlVerifier& verifier,
                                             const MysqlScramble& scramble,
                                             const Sha256& fingerprint);

}  // namespace perilune::auth
