#pragma once

// The dialogue of SCRAM-SHA-256 and -PLUS: RFC 5802, 5 to 7, as PostgreSQL's
// src/backend/libpq/auth-scram.c and src/interfaces/libpq/fe-auth-scram.c have it.
//
//   client-first  n,,n=user,r=CNONCE             the header before n= says what the channel is
//   server-first  r=CNONCE+SNONCE,s=SALT,i=4096
//   client-final  c=HEADER+BINDING,r=CNONCE+SNONCE,p=PROOF
//   server-final  v=SIGNATURE

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "auth/error.hh"
#include "auth/scram_keys.hh"
#include "auth/secret.hh"
#include "util/bytes.hh"
#include "util/result.hh"

namespace perilune::auth {

// What a client says of the TLS around it.
enum class ScramBinding {
  None,       // "n": it cannot bind
  Unoffered,  // "y": it could, but the server does not offer -PLUS: a server that did knows then
              // that somebody is in between
  EndPoint,   // "p": by tls-server-end-point, in -PLUS
};

// Printable and without a comma; 24 characters.
std::string make_scram_nonce();

// We log in. One object per login.
class ScramClient {
 public:
  struct Setup {
    ScramBinding binding = ScramBinding::None;
    Bytes end_point;        // with EndPoint
    std::string_view user;  // PostgreSQL goes by the start-up message's and ignores this
    std::string nonce = make_scram_nonce();
  };

  explicit ScramClient(const Setup& setup);

  const std::string& first() const noexcept { return first_; }

  // What the server says of the password. An error: its words are not SCRAM's, or the nonce is not
  // ours.
  struct Question {
    Buffer salt;
    std::uint32_t iterations = 0;
  };
  Result<Question, AuthError> read(std::string_view server_first);

  // client-final; once, after read().
  std::string prove(const ScramKeys& keys);

  // Whether the server knows the verifier. The login must not go on without it.
  bool verify(std::string_view server_final) const;

 private:
  std::string header_;
  Buffer end_point_;
  std::string first_;
  std::string nonce_;
  std::string server_first_;
  std::string full_nonce_;
  std::optional<Sha256> signature_;  // that the server must show
};

// We are logged in to. One object per login; judges once. Costs the same whatever the verifier.
class ScramServer {
 public:
  struct Setup {
    const ScramVerifier& verifier;
    Bytes end_point;       // of our certificate; not empty: -PLUS is offered
    bool is_plus = false;  // the client chose it
    std::string nonce = make_scram_nonce();
  };

  explicit ScramServer(const Setup& setup);

  // server-first. An error: not SCRAM's, or the channel is not what it should be.
  Result<std::string, AuthError> begin(std::string_view client_first);

  struct Outcome {
    bool is_right = false;
    std::string server_final;  // only if right
    Secret client_key;         // likewise
  };
  Result<Outcome, AuthError> judge(std::string_view client_final);

 private:
  std::optional<AuthError> check_header(std::string_view header) const;
  Outcome compare(std::string_view without_proof, const Sha256& proof) const;

  ScramVerifier verifier_;
  Buffer end_point_;
  bool is_plus_;
  std::string nonce_;
  std::string header_;
  std::string first_bare_;
  std::string server_first_;
  bool judged_ = false;
};

}  // namespace perilune::auth
