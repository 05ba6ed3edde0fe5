#include "net/tls_context.hh"

#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <utility>

#include "net/tls_errors.hh"
#include "util/error.hh"

namespace perilune::net {

namespace {

// Of each: enough for every server that a configuration can name.
constexpr std::size_t kMaxSessions = 1024;
constexpr unsigned char kSessionContext[] = "perilune";
constexpr long kTicketKeys = 80;  // bytes that OpenSSL's tickets are made with
constexpr long kDay = 24 * 60 * 60;

// The one protocol that a TLS connection to us may begin with and has to name. Who offers others
// alone is treated as by a server that names none.
constexpr unsigned char kProtocols[] = "\x0apostgresql";

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* length,
                    const unsigned char* offered, unsigned offered_size, void*) {
  unsigned char* found = nullptr;
  const int result = SSL_select_next_proto(&found, length, kProtocols, sizeof kProtocols - 1,
                                           offered, offered_size);
  *chosen = found;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

[[noreturn]] void fail(std::string_view what) {
  throw ConfigError(fmt::format("{}: {}", what, take_tls_errors()));
}

void check(bool good, std::string_view what) {
  if (!good) fail(what);
}

void load_pair(SSL_CTX* context, const std::string& cert, const std::string& key) {
  const std::string& key_file = key.empty() ? cert : key;
  check(SSL_CTX_use_certificate_chain_file(context, cert.c_str()) == 1,
        fmt::format("cannot read the certificate {}", cert));
  check(SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) == 1,
        fmt::format("cannot use the key {} of the certificate {}", key_file, cert));
}

void set_common(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  // A peer that closes without close_notify has ended: MySQL's packets say where they end.
  SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
}

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

void set_random_serial(X509* certificate) {
  std::uint64_t serial = 0;
  check(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1,
        "no random numbers");
  check(ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1U) == 1,
        "cannot number a certificate");
}

Certificate sign_by_itself(EVP_PKEY* key) {
  Certificate certificate{X509_new(), X509_free};
  check(certificate != nullptr, "cannot make a certificate");
  X509_set_version(certificate.get(), X509_VERSION_3);
  set_random_serial(certificate.get());
  // Clocks differ; and who looks at this certificate at all does not look at its dates.
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3650 * kDay);
  X509_NAME* const name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("perilune"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  const bool signed_ = X509_set_pubkey(certificate.get(), key) == 1 &&
                       X509_sign(certificate.get(), key, EVP_sha256()) > 0;
  check(signed_, "cannot sign a certificate");
  return certificate;
}

}  // namespace

Buffer der_of(const x509_st* certificate) {
  if (certificate == nullptr) return {};
  const int size = i2d_X509(certificate, nullptr);
  if (size <= 0) return {};
  Buffer der(static_cast<std::size_t>(size));
  auto* end = reinterpret_cast<unsigned char*>(der.data());
  i2d_X509(certificate, &end);
  return der;
}

std::string take_tls_errors() {
  std::string text;
  while (const unsigned long code = ERR_get_error()) {
    const char* const reason = ERR_reason_error_string(code);
    if (!text.empty()) text += "; ";
    text += reason != nullptr ? std::string(reason) : fmt::format("error {:#x}", code);
  }
  return text.empty() ? "the connection broke off" : text;
}

// --- the side that is connected to

void TlsServer::Free::operator()(ssl_ctx_st* context) const noexcept { SSL_CTX_free(context); }

TlsServer::TlsServer() : context_(SSL_CTX_new(TLS_server_method())) {
  check(context_ != nullptr, "cannot set up TLS");
  set_common(context_.get());
  SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_OFF);  // tickets do
  SSL_CTX_set_session_id_context(context_.get(), kSessionContext, sizeof kSessionContext - 1);
  SSL_CTX_set_num_tickets(context_.get(), 1);
  SSL_CTX_set_dh_auto(context_.get(), 1);
  SSL_CTX_set_alpn_select_cb(context_.get(), choose_protocol, nullptr);
}

TlsServer::~TlsServer() = default;

std::shared_ptr<const TlsServer> TlsServer::load(const TlsServerOptions& options,
                                                 const TlsServer* previous) {
  std::shared_ptr<TlsServer> server{new TlsServer};
  server->load_files(options);
  server->note_fingerprint();
  if (previous != nullptr && !previous->asks_for_certificates() &&
      !server->asks_for_certificates()) {
    std::array<unsigned char, kTicketKeys> keys{};
    SSL_CTX_get_tlsext_ticket_keys(previous->context(), keys.data(), kTicketKeys);
    SSL_CTX_set_tlsext_ticket_keys(server->context(), keys.data(), kTicketKeys);
    OPENSSL_cleanse(keys.data(), keys.size());
  }
  return server;
}

bool TlsServer::asks_for_certificates() const noexcept {
  return SSL_CTX_get_verify_mode(context_.get()) != SSL_VERIFY_NONE;
}

void TlsServer::load_files(const TlsServerOptions& options) {
  SSL_CTX* const context = context_.get();
  load_pair(context, options.cert, options.key);
  if (options.min_version == TlsVersion::Tls13) {
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  }
  if (options.client_ca.empty()) return;
  const char* const file = options.client_ca.c_str();
  check(SSL_CTX_load_verify_file(context, file) == 1,
        fmt::format("cannot read the certificates of {}", options.client_ca));
  SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(file));
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
}

std::shared_ptr<const TlsServer> TlsServer::make_self_signed() {
  const Key key{EVP_EC_gen("P-256"), EVP_PKEY_free};
  check(key != nullptr, "cannot make a key");
  const Certificate certificate = sign_by_itself(key.get());
  std::shared_ptr<TlsServer> server{new TlsServer};
  const bool used = SSL_CTX_use_certificate(server->context(), certificate.get()) == 1 &&
                    SSL_CTX_use_PrivateKey(server->context(), key.get()) == 1;
  check(used, "cannot use a certificate");
  server->note_fingerprint();
  return server;
}

void TlsServer::note_fingerprint() {
  unsigned size = 0;
  auto* const bytes = reinterpret_cast<unsigned char*>(fingerprint_.data());
  const X509* const certificate = SSL_CTX_get0_certificate(context_.get());
  check(X509_digest(certificate, EVP_sha256(), bytes, &size) == 1, "cannot hash a certificate");
}

Buffer TlsServer::certificate() const { return der_of(SSL_CTX_get0_certificate(context_.get())); }

// --- the side that connects

void TlsClient::Free::operator()(ssl_ctx_st* context) const noexcept { SSL_CTX_free(context); }
void TlsClient::Free::operator()(ssl_session_st* session) const noexcept {
  SSL_SESSION_free(session);
}

TlsClient::TlsClient(const TlsClientOptions& options)
    : context_(SSL_CTX_new(TLS_client_method())), options_(options) {
  check(context_ != nullptr, "cannot set up TLS");
  SSL_CTX* const context = context_.get();
  set_common(context);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  if (!options.cert.empty()) load_pair(context, options.cert, options.key);
  if (!options.ca.empty()) {
    check(SSL_CTX_load_verify_file(context, options.ca.c_str()) == 1,
          fmt::format("cannot read the certificates of {}", options.ca));
  } else if (options_.verify) {
    check(SSL_CTX_set_default_verify_paths(context) == 1, "cannot read the system's certificates");
  }
}

TlsClient::~TlsClient() = default;

ssl_session_st* TlsClient::session_for(std::string_view server) const noexcept {
  const auto found = sessions_.find(server);
  if (found == sessions_.end() || SSL_SESSION_is_resumable(found->second.get()) != 1)
    return nullptr;
  return found->second.get();
}

void TlsClient::keep_session(std::string_view server, ssl_session_st* session) {
  std::unique_ptr<ssl_session_st, Free> kept{session};
  if (sessions_.size() >= kMaxSessions) sessions_.clear();
  sessions_.insert_or_assign(std::string(server), std::move(kept));
}

}  // namespace perilune::net
