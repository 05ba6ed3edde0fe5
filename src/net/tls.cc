#include "net/tls.hh"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <utility>

#include "net/tls_errors.hh"

namespace perilune::net {

// OpenSSL's view of a Tls: a BIO that reads from in_ and appends to out_.
struct TlsPipe {
  static int read(BIO* bio, char* to, std::size_t size, std::size_t* count) {
    Tls& tls = *static_cast<Tls*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    *count = std::min(size, tls.in_.size());
    if (*count == 0) {
      BIO_set_retry_read(bio);
      return 0;
    }
    std::memcpy(to, tls.in_.data(), *count);
    tls.in_ = tls.in_.subspan(*count);
    return 1;
  }

  static int write(BIO* bio, const char* from, std::size_t size, std::size_t* count) {
    Tls& tls = *static_cast<Tls*>(BIO_get_data(bio));
    assert(tls.out_ != nullptr);
    append(*tls.out_, as_bytes(std::string_view(from, size)));
    *count = size;
    return 1;
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static int create(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
  }

  static const BIO_METHOD* method() {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "perilune");
      BIO_meth_set_read_ex(made, read);
      BIO_meth_set_write_ex(made, write);
      BIO_meth_set_ctrl(made, control);
      BIO_meth_set_create(made, create);
      return made;
    }();
    return method;
  }

  static int new_session(SSL* ssl, SSL_SESSION* session) {
    static_cast<Tls*>(SSL_get_app_data(ssl))->keep_session(session);
    return 1;  // it is ours now
  }
};

namespace {

bool is_address(const std::string& name) {
  in6_addr any{};
  return ::inet_pton(AF_INET, name.c_str(), &any) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), &any) == 1;
}

void expect_name(SSL* ssl, const std::string& name) {
  if (is_address(name)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str());
    return;
  }
  // What the macro SSL_set_tlsext_host_name stands for.
  SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
           const_cast<char*>(name.c_str()));
  SSL_set1_host(ssl, name.c_str());
}

// What is wrong is asked for when the handshake is over: see verification_error().
int note_only(int, X509_STORE_CTX*) { return 1; }

int clamp(std::size_t size) noexcept {
  return static_cast<int>(std::min<std::size_t>(size, std::numeric_limits<int>::max()));
}

}  // namespace

void Tls::Free::operator()(ssl_st* ssl) const noexcept { SSL_free(ssl); }

Tls::Tls(std::shared_ptr<const TlsServer> server) : server_(std::move(server)) {
  set_up(server_->context());
  SSL_set_accept_state(ssl_.get());
}

Tls::Tls(std::shared_ptr<TlsClient> client, const std::string& name, std::string server)
    : client_(std::move(client)), peer_(std::move(server)) {
  set_up(client_->context());
  SSL_set_connect_state(ssl_.get());
  SSL_CTX_sess_set_new_cb(client_->context(), TlsPipe::new_session);
  if (client_->verifies()) SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, note_only);
  if (!name.empty()) expect_name(ssl_.get(), name);
  if (auto* session = client_->session_for(peer_)) SSL_set_session(ssl_.get(), session);
}

Tls::~Tls() = default;

void Tls::set_up(ssl_ctx_st* context) {
  ssl_.reset(SSL_new(context));
  BIO* const bio = ssl_ ? BIO_new(TlsPipe::method()) : nullptr;
  if (bio == nullptr) throw std::runtime_error("OpenSSL: " + take_tls_errors());
  BIO_set_data(bio, this);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
}

std::size_t Tls::receive(Bytes cipher, MutableBytes plain, Buffer& out) {
  in_ = cipher;
  out_ = &out;
  if (state_ == State::Handshake) shake_hands();
  const std::size_t size = is_open() ? decrypt(plain) : 0;
  in_ = {};
  out_ = nullptr;
  return size;
}

void Tls::shake_hands() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    state_ = State::Open;
    return;
  }
  judge(result);
  if (state_ != State::Closed) return;
  state_ = State::Failed;
  error_ = "the handshake was broken off";
}

std::size_t Tls::decrypt(MutableBytes plain) {
  std::size_t filled = 0;
  while (filled < plain.size()) {
    ERR_clear_error();
    const int result = SSL_read(ssl_.get(), plain.data() + filled, clamp(plain.size() - filled));
    if (result <= 0) {
      judge(result);
      break;
    }
    filled += static_cast<std::size_t>(result);
  }
  return filled;
}

void Tls::judge(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return;
    case SSL_ERROR_ZERO_RETURN:
      state_ = State::Closed;
      return;
    default:
      state_ = State::Failed;
      error_ = take_tls_errors();
  }
}

void Tls::set_sensitive(bool sensitive) noexcept {
  if (sensitive) {
    SSL_set_options(ssl_.get(), SSL_OP_CLEANSE_PLAINTEXT);
  } else {
    SSL_clear_options(ssl_.get(), SSL_OP_CLEANSE_PLAINTEXT);
  }
}

void Tls::send(Bytes plain, Buffer& out) {
  out_ = &out;
  while (may_send() && !plain.empty()) {
    ERR_clear_error();
    const int result = SSL_write(ssl_.get(), plain.data(), clamp(plain.size()));
    if (result <= 0) {
      judge(result);
      break;
    }
    plain = plain.subspan(static_cast<std::size_t>(result));
  }
  out_ = nullptr;
}

void Tls::close(Buffer& out) {
  if (!may_send()) return;
  out_ = &out;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  out_ = nullptr;
}

void Tls::keep_session(ssl_session_st* session) { client_->keep_session(peer_, session); }

std::string Tls::version() const { return SSL_get_version(ssl_.get()); }
std::string Tls::cipher() const { return SSL_get_cipher_name(ssl_.get()); }
bool Tls::is_resumed() const noexcept { return SSL_session_reused(ssl_.get()) == 1; }

std::string Tls::server_name() const {
  const char* const name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  return name != nullptr ? name : "";
}

std::string Tls::protocol() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

Buffer Tls::peer_certificate() const { return der_of(SSL_get0_peer_certificate(ssl_.get())); }

std::string Tls::subject() const {
  X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
  if (certificate == nullptr) return {};
  const std::unique_ptr<BIO, decltype(&BIO_free)> text{BIO_new(BIO_s_mem()), BIO_free};
  if (!text) return {};
  X509_NAME_print_ex(text.get(), X509_get_subject_name(certificate), 0,
                     XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB));
  char* data = nullptr;
  const long size = BIO_get_mem_data(text.get(), &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::string Tls::verification_error() const {
  if (client_ && !client_->verifies()) return {};
  const long result = SSL_get_verify_result(ssl_.get());
  return result == X509_V_OK ? std::string() : X509_verify_cert_error_string(result);
}

bool Tls::has_client_certificate() const noexcept {
  return server_ && SSL_get0_peer_certificate(ssl_.get()) != nullptr &&
         SSL_get_verify_result(ssl_.get()) == X509_V_OK;
}

}  // namespace perilune::net
