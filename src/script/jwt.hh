#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "auth/jws.hh"
#include "data/tree.hh"
#include "util/failure.hh"
#include "util/result.hh"

namespace perilune::script {

// JSON Web Tokens (RFC 7519), signed and compact.
struct Token {
  data::Tree header;
  data::Tree payload;
};

// What is asked of a token besides its signature.
struct TokenRules {
  std::optional<auth::JwsAlgorithm> algorithm;  // of the key; none: what the key looks like
  double leeway = 0;                            // seconds that clocks may differ by
  std::string issuer, audience;                 // empty: any
};

// The header's `alg` says how, EdDSA by default; `alg` and `typ` are set.
Result<std::string, Failure> sign_token(std::string_view key, data::Tree::Map header,
                                        const data::Tree& payload);

// `now` is in seconds since 1970. The token may be anything.
Result<Token, Failure> verify_token(std::string_view token, std::string_view key,
                                    const TokenRules& rules, double now);

}  // namespace perilune::script
