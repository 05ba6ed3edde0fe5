#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "util/bytes.hh"

struct ssl_ctx_st;      // OpenSSL's SSL_CTX
struct ssl_session_st;  // SSL_SESSION

namespace perilune::net {

enum class TlsVersion : std::uint8_t { Tls12, Tls13 };

// SHA-256 of a certificate in DER.
using Fingerprint = std::array<std::byte, 32>;

// Names of PEM files and rules for the side that is connected to.
struct TlsServerOptions {
  std::string cert;       // the certificate, those that vouch for it behind it
  std::string key;        // empty: it is in `cert`
  std::string client_ca;  // a client may show a certificate; one that these did not sign is refused
  TlsVersion min_version = TlsVersion::Tls12;
  bool operator==(const TlsServerOptions&) const = default;
};

// Certificate, key and rules of a listener. Immutable, shared by threads.
class TlsServer {
 public:
  // Reads the files; throws ConfigError that names the file. With `previous` sessions that it began
  // can be resumed, unless they may rest on a certificate that was good then.
  static std::shared_ptr<const TlsServer> load(const TlsServerOptions& options,
                                               const TlsServer* previous);
  // A certificate that nobody vouches for, with a key of its own.
  static std::shared_ptr<const TlsServer> make_self_signed();

  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;
  ~TlsServer();

  const Fingerprint& fingerprint() const noexcept { return fingerprint_; }
  Buffer certificate() const;  // in DER
  ssl_ctx_st* context() const noexcept { return context_.get(); }

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const noexcept;
  };

  TlsServer();
  void load_files(const TlsServerOptions& options);
  bool asks_for_certificates() const noexcept;
  void note_fingerprint();

  std::unique_ptr<ssl_ctx_st, Free> context_;
  Fingerprint fingerprint_{};
};

// The same for the side that connects.
struct TlsClientOptions {
  std::string ca;  // who may have signed the server's certificate; empty: whom the system trusts
  std::string cert, key;  // shown when the server asks; key empty: it is in `cert`
  bool verify = false;    // the server's certificate, and that it is for the server's name
  auto operator<=>(const TlsClientOptions&) const = default;
};

// What somebody wants of connections to servers: data, for any thread.
enum class TlsMode : std::uint8_t { Disable, Prefer, Require };
struct TlsWish {
  TlsMode mode = TlsMode::Disable;
  TlsClientOptions files;
  std::string server_name;  // to send and to verify; empty: the target's
  bool operator==(const TlsWish&) const = default;
};

// Rules for connections to servers, and the sessions that can be resumed. One thread's own.
class TlsClient {
 public:
  // Reads the files; throws ConfigError that names the file.
  explicit TlsClient(const TlsClientOptions& options);
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;
  ~TlsClient();

  const TlsClientOptions& options() const noexcept { return options_; }
  bool verifies() const noexcept { return options_.verify; }
  ssl_ctx_st* context() const noexcept { return context_.get(); }

  // By the server's address and name; null: none. What is given in is owned from then on.
  ssl_session_st* session_for(std::string_view server) const noexcept;
  void keep_session(std::string_view server, ssl_session_st* session);

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const noexcept;
    void operator()(ssl_session_st* session) const noexcept;
  };

  std::unique_ptr<ssl_ctx_st, Free> context_;
  std::map<std::string, std::unique_ptr<ssl_session_st, Free>, std::less<>> sessions_;
  TlsClientOptions options_;
};

}  // namespace perilune::net
