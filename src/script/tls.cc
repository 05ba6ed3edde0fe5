#include "script/tls.hh"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

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

session::ServerTls read_server_table(lua_State* L, int table) {
  const lua::Options options{L, table, "option of tls", kServerNames};
  net::TlsClientOptions wish;
  wish.ca = file(L, options, "ca");
  wish.cert = file(L, options, "cert");
  wish.key = file(L, options, "key");
  wish.verify = options.boolean("verify").value_or(true);
  if (wish.cert.empty() && !wish.key.empty())
    throw lua::Error("bad 'tls' value ('key' needs a 'cert')");
  session::ServerTls tls;
  tls.mode = session::ServerTls::Mode::Require;
  tls.server_name = options.text("server_name").value_or("");
  tls.client = Host::of(L).tls_client(wish);
  return tls;
}

session::ServerTls server_tls_of(lua_State* L, std::string_view word,
                                 session::Protocol protocol) {
  session::ServerTls tls;
  if (word == "disable") return tls;
  if (word == "prefer") {
    tls.mode = session::ServerTls::Mode::Prefer;
  } else if (word == "require") {
    tls.mode = session::ServerTls::Mode::Require;
  } else {
    throw lua::Error("bad 'tls' value ('disable', 'prefer', 'require' or a table expected)");
  }
  if (tls.mode == session::ServerTls::Mode::Prefer && protocol == session::Protocol::Tcp) {
    throw lua::Error("bad 'tls' value ('prefer': only the script can know what a server of "
                     "tcp_listen speaks; say 'require' or 'disable')");
  }
  tls.client = Host::of(L).tls_client({});
  return tls;
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

session::ServerTls read_server_tls(lua_State* L, int table, session::Protocol protocol) {
  session::ServerTls tls;
  lua_getfield(L, table, "tls");
  if (lua_istable(L, -1)) {
    tls = read_server_table(L, lua_gettop(L));
  } else if (lua_type(L, -1) == LUA_TSTRING) {
    tls = server_tls_of(L, lua::text_at(L, -1), protocol);
  } else if (!lua_isnil(L, -1)) {
    throw lua::Error(
        fmt::format("bad 'tls' value (string or table expected, got {})", luaL_typename(L, -1)));
  }
  lua_pop(L, 1);
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
