#pragma once

#include <cstddef>
#include <string>

namespace perilune::test {

// A private key in PEM, made anew, encrypted if there is a passphrase.
std::string rsa_private_pem(std::size_t bits, const char* passphrase = nullptr);

// Keys that cannot encrypt.
std::string ed25519_private_pem();
std::string ed25519_public_pem();

}  // namespace perilune::test
