#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "net/tls_context.hh"
#include "util/bytes.hh"

struct ssl_st;  // OpenSSL's SSL

namespace perilune::net {

// One connection's TLS, bytes in and bytes out, without a socket. Renegotiation is refused.
class Tls {
 public:
  enum class State : std::uint8_t {
    Handshake,
    Open,
    Closed,  // the peer has said that nothing more comes
    Failed,
  };
  // A record that came in part is held back inside, so that a later call may give more than it got.
  static constexpr std::size_t kMaxHeldBack = 17 * 1024;

  // We are connected to.
  explicit Tls(std::shared_ptr<const TlsServer> server);
  // We connect: `name` is what the certificate must be for and is sent along (SNI) unless it is an
  // address; `server` finds a session to resume.
  Tls(std::shared_ptr<TlsClient> client, const std::string& name, std::string server);
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;
  ~Tls();

  State state() const noexcept { return state_; }
  bool is_open() const noexcept { return state_ == State::Open; }
  bool has_ended() const noexcept { return state_ == State::Closed || state_ == State::Failed; }
  // After Failed: OpenSSL's words.
  const std::string& error() const noexcept { return error_; }

  // Takes all of `cipher`; with none a handshake begins. Returns how many bytes of `plain`, which
  // has room for kMaxHeldBack more than it takes, were filled. What is to be sent is appended to
  // `out`.
  std::size_t receive(Bytes cipher, MutableBytes plain, Buffer& out);
  // While set, OpenSSL overwrites plain text once it was given out.
  void set_sensitive(bool sensitive) noexcept;

  // Appends to `out` what is to be sent; drops `plain` unless open. A peer that has said that
  // nothing more comes may still be written to.
  void send(Bytes plain, Buffer& out);
  void close(Buffer& out);

  // --- once open
  std::string version() const;      // "TLSv1.3"
  std::string cipher() const;       // "TLS_AES_256_GCM_SHA384"
  std::string subject() const;      // of the peer's certificate, RFC 2253; empty: it showed none
  std::string protocol() const;     // what both agreed on by ALPN; empty: nothing
  Buffer peer_certificate() const;  // in DER; empty: it showed none
  std::string server_name() const;  // what the client asked for (SNI); empty: nothing
  bool is_resumed() const noexcept;
  // Empty when the peer's certificate is good, or none was to be checked; else what is wrong.
  std::string verification_error() const;
  // The peer showed a certificate, and one of the listener's client_ca signed it.
  bool has_client_certificate() const noexcept;
  const TlsServer* server() const noexcept { return server_.get(); }

 private:
  friend struct TlsPipe;
  struct Free {
    void operator()(ssl_st* ssl) const noexcept;
  };

  void set_up(ssl_ctx_st* context);
  void shake_hands();
  std::size_t decrypt(MutableBytes plain);
  bool may_send() const noexcept { return state_ == State::Open || state_ == State::Closed; }
  void judge(int result);
  void keep_session(ssl_session_st* session);

  std::shared_ptr<const TlsServer> server_;
  std::shared_ptr<TlsClient> client_;
  std::string peer_;  // under which the client keeps its session
  std::unique_ptr<ssl_st, Free> ssl_;
  Bytes in_;               // of the running receive()
  Buffer* out_ = nullptr;  // of the running call
  State state_ = State::Handshake;
  std::string error_;
};

}  // namespace perilune::net
