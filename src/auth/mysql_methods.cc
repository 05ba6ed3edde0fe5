#include "auth/mysql_methods.hh"

#include "auth/mysql_caching_sha2.hh"
#include "auth/mysql_clear.hh"
#include "auth/mysql_ed25519.hh"
#include "auth/mysql_native.hh"
#include "auth/mysql_parsec.hh"
#include "auth/mysql_sha256.hh"

namespace perilune::auth {

namespace {

struct Method {
  std::string_view plugin;
  std::unique_ptr<MysqlLogin> (*make)(const Credentials&, Transport);
};

constexpr Method kMethods[] = {
    {"caching_sha2_password", make_caching_sha2_login},
    {"client_ed25519", make_ed25519_login},
    {"mysql_clear_password", make_clear_login},
    {"mysql_native_password", make_native_login},
    {"parsec", make_parsec_login},
    {"sha256_password", make_sha256_login},
};

}  // namespace

std::unique_ptr<MysqlLogin> make_mysql_login(std::string_view plugin,
                                             const Credentials& credentials, Transport transport) {
  for (const Method& method : kMethods) {
    if (method.plugin == plugin) return method.make(credentials, transport);
  }
  return nullptr;
}

}  // namespace perilune::auth
