#include "support/certificates.hh"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <stdexcept>

namespace perilune::test {

namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

struct Issuer {
  X509* certificate;
  EVP_PKEY* key;
};

Key make_key() { return {EVP_EC_gen("P-256"), EVP_PKEY_free}; }

void add_name(X509_NAME* name, const char* field, const char* value) {
  X509_NAME_add_entry_by_txt(name, field, MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(value), -1, -1, 0);
}

void add_extension(X509* certificate, int nid, const char* value) {
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// Without an issuer it signs itself and others.
Certificate make_certificate(EVP_PKEY* key, const char* common_name, long serial,
                             const Issuer* issuer) {
  Certificate made{X509_new(), X509_free};
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  add_name(X509_get_subject_name(made.get()), "O", "Perilune");
  add_name(X509_get_subject_name(made.get()), "CN", common_name);
  X509_set_issuer_name(made.get(),
                       X509_get_subject_name(issuer ? issuer->certificate : made.get()));
  X509_set_pubkey(made.get(), key);
  add_extension(made.get(), NID_basic_constraints, issuer ? "CA:FALSE" : "critical,CA:TRUE");
  if (issuer) add_extension(made.get(), NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
  X509_sign(made.get(), issuer ? issuer->key : key, EVP_sha256());
  return made;
}

void write(const std::string& path, X509* certificate) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> file{BIO_new_file(path.c_str(), "w"), BIO_free};
  if (!file || PEM_write_bio_X509(file.get(), certificate) != 1) throw std::runtime_error(path);
}

void write(const std::string& path, EVP_PKEY* key) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> file{BIO_new_file(path.c_str(), "w"), BIO_free};
  if (!file ||
      PEM_write_bio_PrivateKey(file.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    throw std::runtime_error(path);
  }
}

}  // namespace

Certificates::Certificates() : folder_("/tmp/perilune-certificates-XXXXXX") {
  if (::mkdtemp(folder_.data()) == nullptr) throw std::runtime_error("mkdtemp");
  const Key authority = make_key();
  const Certificate root = make_certificate(authority.get(), "authority", 1, nullptr);
  const Issuer issuer{root.get(), authority.get()};
  write(ca(), root.get());
  const Key server = make_key();
  write(cert(), make_certificate(server.get(), "server", 2, &issuer).get());
  write(key(), server.get());
  const Key client = make_key();
  write(client_cert(), make_certificate(client.get(), "client", 3, &issuer).get());
  write(client_key(), client.get());
}

Certificates::~Certificates() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace perilune::test
