#pragma once

#include <string>

namespace perilune::net {

// OpenSSL's queue of errors in words, emptied.
std::string take_tls_errors();

}  // namespace perilune::net
