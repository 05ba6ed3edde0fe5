#include "script/http_listen.hh"

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "lua/class.hh"
#include "lua/options.hh"
#include "script/address.hh"
#include "script/file_rights.hh"
#include "script/globals.hh"
#include "script/host.hh"
#include "script/libs.hh"

namespace perilune::script {

namespace {

using Service = session::HttpDeclaration::Service;

constexpr std::uint16_t kMetricsPort = 9100;  // myproxy's
constexpr std::uint16_t kAdminPort = 9101;
constexpr mode_t kMetricsMode = 0666;
constexpr mode_t kAdminMode = 0660;
constexpr std::string_view kAdminSocket = "/run/perilune/admin.sock";

constexpr std::array<std::string_view, 3> kMetricsOptions{"group", "mode", "user"};
constexpr std::array<std::string_view, 4> kAdminOptions{"group", "mode", "token_file", "user"};

void read_where(lua_State* L, session::HttpDeclaration& declaration, std::uint16_t default_port) {
  if (const auto* object = lua::Class<AddressObject>::test(L, 1)) {
    declaration.where = object->address;
    declaration.label = object->address.text();
    return;
  }
  const std::string_view text = lua::check_text(L, 1);
  const auto address = net::parse_listen_address(text, default_port);
  if (!address) throw lua::ArgumentError(1, address.error().message);
  declaration.where = *address;
  declaration.label = text;
}

void read_options(lua_State* L, session::HttpDeclaration& declaration,
                  std::span<const std::string_view> names) {
  declaration.rights.mode = declaration.service == Service::Admin ? kAdminMode : kMetricsMode;
  if (lua_isnoneornil(L, 2)) return;
  lua::check_table(L, 2);
  const lua::Options options{L, 2, "option", names};
  declaration.rights = read_file_rights(options, declaration.where, declaration.rights.mode);
  if (declaration.service == Service::Admin) {
    declaration.token_file = options.text("token_file").value_or("");
  }
}

}  // namespace

int prometheus_listen(lua_State* L) {
  check_is_loading(L, "prometheus_listen");
  check_count(L, 1, 2);
  session::HttpDeclaration declaration;
  read_where(L, declaration, kMetricsPort);
  read_options(L, declaration, kMetricsOptions);
  Host::of(L).add_http(std::move(declaration));
  return 0;
}

int admin_listen(lua_State* L) {
  check_is_loading(L, "admin_listen");
  check_count(L, 0, 2);
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 2);
    lua::push_text(L, kAdminSocket);
    lua_replace(L, 1);
  }
  session::HttpDeclaration declaration;
  declaration.service = Service::Admin;
  read_where(L, declaration, kAdminPort);
  read_options(L, declaration, kAdminOptions);
  if (declaration.token_file.empty() && !declaration.where.is_unix()) {
    throw lua::Error("admin_listen on TCP needs 'token_file': whoever reaches it rules the daemon");
  }
  Host::of(L).add_http(std::move(declaration));
  return 0;
}

}  // namespace perilune::script
