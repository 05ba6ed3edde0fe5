#include "script/tls.hh"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "lua/error.hh"
#include "lua/function.hh"
#include "lua/options.hh"
#include "script/host.hh"

namespace perilune::script {

namespace {

constexpr std::array<std::string_view, 5> kListenerNames{"cert", "client_ca", "key", "min_version",
                                                         "required"};
constexpr std::array<std::string_view, 5> kServerNames{"ca", "cert", "key", "server_name",
                                                       "verify"};

// The main chunk runs in the configuration's folder, what reads the files does not.
std::string file(lua_State* L, const lua::Options& options, std::string_view name) {
  const auto path = options.text(name);
  if (!path) return {};
  if (path->empty())
    throw lua::Error(fmt::format("bad '{}' value (name of a file expected)", name));
  const std::filesystem::path folder =
      std::filesystem::absolute(Host::of(L).options().path).parent_path();
  return (folder / *path).lexically_normal().string();
}

net::TlsVersion read_version(const lua::Options& options) {
  const auto text = options.text("min_version");
  if (!text || *text == "1.2") return net::TlsVersion::Tls12;
  if (*text == "1.3") return net::TlsVersion::Tls13;
  throw lua::Error("bad 'min_version' value ('1.2' or '1.3' expected)");
}

session::ListenerTls default_tls(session::Protocol protocol) {
  session::ListenerTls tls;
  using Certificate = session::ListenerTls::Certificate;
  if (protocol == session::Protocol::Tcp) tls.certificate = Certificate::None;
  return tls;
}

// TLS from the first byte leaves nobody the choice.
void check_from_first_byte(const lua::Options& options, const session::ListenerTls& tls) {
  if (tls.files.cert.empty()) throw lua::Error("bad 'tls' value (a 'cert' is needed)");
  if (options.has("required") && !tls.required) {
    throw lua::Error("bad 'required' value (with tcp_listen TLS is always required)");
  }
}

session::ListenerTls read_listener_table(lua_State* L, int table, session::Protocol protocol) {
  const lua::Options options{L, table, "option of tls", kListenerNames};
  session::ListenerTls tls;
  tls.files.cert = file(L, options, "cert");
  tls.files.key = file(L, options, "key");
  tls.files.client_ca = file(L, options, "client_ca");
  tls.files.min_version = read_version(options);
  tls.required = options.boolean("required").value_or(false);
  if (protocol == session::Protocol::Tcp) check_from_first_byte(options, tls);
  if (!tls.files.cert.empty()) {
    tls.certificate = session::ListenerTls::Certificate::Files;
  } else if (tls.files != net::TlsServerOptions{}) {
    throw lua::Error("bad 'tls' value (these options need a 'cert')");
  }
  return tls;
}

net::TlsWish read_server_table(lua_State* L, int table) {
  const lua::Options options{L, table, "option of tls", kServerNames};
  net::TlsWish wish;
  wish.mode = net::TlsMode::Require;
  wish.server_name = options.text("server_name").value_or("");
  wish.files.ca = file(L, options, "ca");
  wish.files.cert = file(L, options, "cert");
  wish.files.key = file(L, options, "key");
  wish.files.verify = options.boolean("verify").value_or(true);
  if (wish.files.cert.empty() && !wish.files.key.empty())
    throw lua::Error("bad 'tls' value ('key' needs a 'cert')");
  return wish;
}

net::TlsMode mode_of(std::string_view word, session::Protocol protocol) {
  net::TlsMode mode = net::TlsMode::Disable;
  if (word == "disable") return mode;
  if (word == "prefer") {
    mode = net::TlsMode::Prefer;
  } else if (word == "require") {
    mode = net::TlsMode::Require;
  } else {
    throw lua::Error("bad 'tls' value ('disable', 'prefer', 'require' or a table expected)");
  }
  if (mode == net::TlsMode::Prefer && protocol == session::Protocol::Tcp) {
    throw lua::Error("bad 'tls' value ('prefer': only the script can know what a server of "
                     "tcp_listen speaks; say 'require' or 'disable')");
  }
  return mode;
}

void set_text(lua_State* L, const char* name, const std::string& text) {
  if (text.empty()) return;
  lua::push_text(L, text);
  lua_setfield(L, -2, name);
}

}  // namespace

session::ListenerTls read_listener_tls(lua_State* L, int table, session::Protocol protocol) {
  session::ListenerTls tls = default_tls(protocol);
  if (!lua_istable(L, table)) return tls;
  lua_getfield(L, table, "tls");
  if (lua_istable(L, -1)) {
    tls = read_listener_table(L, lua_gettop(L), protocol);
  } else if (lua_isboolean(L, -1) && lua_toboolean(L, -1) == 0) {
    tls.certificate = session::ListenerTls::Certificate::None;
  } else if (!lua_isnil(L, -1)) {
    throw lua::Error(
        fmt::format("bad 'tls' value (table or false expected, got {})", luaL_typename(L, -1)));
  }
  lua_pop(L, 1);
  return tls;
}

net::TlsWish read_tls_wish(lua_State* L, int table, session::Protocol protocol) {
  net::TlsWish wish;
  lua_getfield(L, table, "tls");
  if (lua_istable(L, -1)) {
    wish = read_server_table(L, lua_gettop(L));
  } else if (lua_type(L, -1) == LUA_TSTRING) {
    wish.mode = mode_of(lua::text_at(L, -1), protocol);
  } else if (!lua_isnil(L, -1)) {
    throw lua::Error(
        fmt::format("bad 'tls' value (string or table expected, got {})", luaL_typename(L, -1)));
  }
  lua_pop(L, 1);
  if (wish.mode != net::TlsMode::Disable) Host::of(L).tls_client(wish.files);
  return wish;
}

session::ServerTls read_server_tls(lua_State* L, int table, session::Protocol protocol) {
  net::TlsWish wish = read_tls_wish(L, table, protocol);
  session::ServerTls tls;
  tls.mode = wish.mode;
  tls.server_name = std::move(wish.server_name);
  if (tls.mode != net::TlsMode::Disable) tls.client = Host::of(L).tls_client(wish.files);
  return tls;
}

void push_client_tls(lua_State* L, const session::Session& session) {
  const net::Tls* const tls = session.client_tls();
  if (tls == nullptr) return lua_pushnil(L);
  lua_createtable(L, 0, 4);
  set_text(L, "version", tls->version());
  set_text(L, "cipher", tls->cipher());
  if (tls->has_client_certificate()) set_text(L, "subject", tls->subject());
  set_text(L, "server_name", tls->server_name());
}

}  // namespace perilune::script
