#pragma once

#include <string>

#include "util/bytes.hh"

struct x509_st;  // OpenSSL's X509

namespace perilune::net {

// OpenSSL's queue of errors in words, emptied.
std::string take_tls_errors();

// In DER; empty for null.
Buffer der_of(const x509_st* certificate);

}  // namespace perilune::net
