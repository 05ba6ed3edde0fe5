#include "script/client.hh"

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>

#include "lua/class.hh"
#include "net/peer_credentials.hh"
#include "script/action.hh"
#include "script/address.hh"
#include "script/cgroup.hh"
#include "script/hooks.hh"
#include "script/log.hh"
#include "script/tls.hh"

namespace perilune::script {

namespace {

using Clients = lua::Class<ClientObject>;

char clients_key;  // SessionHooks* → client, weak values

// The client is at 1, its session given; pushes one value.
using Getter = void (*)(lua_State* L, SessionHooks& hooks);

struct Attribute {
  std::string_view name;
  Getter push;
};

void push_optional_text(lua_State* L, const std::string& text) {
  if (text.empty()) {
    lua_pushnil(L);
  } else {
    lua::push_text(L, text);
  }
}

void push_count(lua_State* L, std::uint64_t count) {
  lua_pushnumber(L, static_cast<lua_Number>(count));
}

template <auto Field>
void push_credential(lua_State* L, SessionHooks& hooks) {
  const session::Session& session = hooks.session();
  if (!session.is_local() || session.client_fd() < 0) return lua_pushnil(L);
  const auto credentials = net::peer_credentials(session.client_fd());
  if (!credentials) throw lua::Error(credentials.error().message);
  if (!*credentials) return lua_pushnil(L);
  lua_pushnumber(L, static_cast<lua_Number>((**credentials).*Field));
}

void push_local_address(lua_State* L, SessionHooks& hooks) {
  if (hooks.session().client_fd() < 0) return lua_pushnil(L);  // in on_disconnect
  const auto address = hooks.session().local_address();
  if (!address) throw lua::Error(address.error().message);
  push_address(L, *address);
}

void push_server(lua_State* L, SessionHooks& hooks) {
  const auto& server = hooks.session().server;
  if (!server) return lua_pushnil(L);
  push_address(L, server.expand());
}

void push_connected_at(lua_State* L, SessionHooks& hooks) {
  const std::chrono::duration<double> since = hooks.session().connected_at().time_since_epoch();
  lua_pushnumber(L, since.count());
}

// Pushes environment[name]; a client with notes must outlive the script's own references to it.
void push_notes(lua_State* L, SessionHooks& hooks) {
  lua_getfenv(L, 1);
  lua_getfield(L, -1, "notes");
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "notes");
    lua_pushvalue(L, 1);
    hooks.keep_client(L);
  }
  lua_remove(L, -2);
}

constexpr Attribute kAttributes[] = {
    {"account", [](lua_State* L, SessionHooks& h) { push_optional_text(L, h.session().account); }},
    {"address", [](lua_State* L, SessionHooks& h) { push_address(L, h.session().peer()); }},
    {"bytes_in",
     [](lua_State* L, SessionHooks& h) { push_count(L, h.session().traffic.from_client); }},
    {"bytes_out",
     [](lua_State* L, SessionHooks& h) { push_count(L, h.session().traffic.from_server); }},
    {"cgroup", push_cgroup},
    {"connected_at", push_connected_at},
    {"database",
     [](lua_State* L, SessionHooks& h) { push_optional_text(L, h.session().database); }},
    {"gid", push_credential<&net::PeerCredentials::gid>},
    {"id", [](lua_State* L, SessionHooks& h) { push_count(L, h.session().id()); }},
    {"local_address", push_local_address},
    {"log", [](lua_State* L, SessionHooks& h) { push_logs(L, h.session().logs); }},
    {"notes", push_notes},
    {"pid", push_credential<&net::PeerCredentials::pid>},
    {"protocol",
     [](lua_State* L, SessionHooks& h) {
       lua_pushstring(L, session::name_of(h.session().listener().declaration.protocol));
     }},
    {"queries",
     [](lua_State* L, SessionHooks& h) { push_count(L, h.session().traffic.statements); }},
    {"server", push_server},
    {"server_version",
     [](lua_State* L, SessionHooks& h) { push_optional_text(L, h.session().server_version); }},
    {"tls", [](lua_State* L, SessionHooks& h) { push_client_tls(L, h.session()); }},
    {"uid", push_credential<&net::PeerCredentials::uid>},
    {"user", [](lua_State* L, SessionHooks& h) { push_optional_text(L, h.session().user); }},
};

SessionHooks& check_session(lua_State* L) { return hooks_of(Clients::check(L, 1).link); }

int err(lua_State* L) {
  check_session(L);
  return push_error_action(L);
}

int connect(lua_State* L) {
  const SessionHooks& hooks = check_session(L);
  return push_connect_action(L, hooks);
}

int fanout(lua_State* L) {
  check_session(L);
  return push_fanout_action(L);
}

int serve(lua_State* L) {
  check_session(L);
  return push_serve_action(L);
}

int query(lua_State* L) {
  check_session(L);
  return push_query_action(L);
}

int init_db(lua_State* L) {
  check_session(L);
  return push_init_db_action(L);
}

int ok(lua_State* L) {
  check_session(L);
  return push_ok_action(L);
}

int result(lua_State* L) {
  check_session(L);
  return push_result_action(L);
}

int disconnect(lua_State* L) {
  check_session(L).session().stop(session::StopReason::Disconnect);
  return 0;
}

constexpr lua::Function kMethods[] = {
    {"connect", lua::guarded<connect>},
    {"disconnect", lua::guarded<disconnect>},
    {"err", lua::guarded<err>},
    {"fanout", lua::guarded<fanout>},
    {"init_db", lua::guarded<init_db>},
    {"ok", lua::guarded<ok>},
    {"query", lua::guarded<query>},
    {"result", lua::guarded<result>},
    {"serve", lua::guarded<serve>},
};

// Upvalue 3: the table of methods.
int index(lua_State* L) {
  SessionHooks& hooks = check_session(L);
  const std::string_view name = lua::check_text(L, 2);
  const auto attribute = std::ranges::find(kAttributes, name, &Attribute::name);
  if (attribute != std::end(kAttributes)) {
    attribute->push(L, hooks);
    return 1;
  }
  lua_pushvalue(L, 2);
  lua_rawget(L, lua_upvalueindex(3));
  if (lua_isnil(L, -1)) throw lua::Error("Unknown attribute '" + std::string(name) + "'");
  return 1;
}

// Texts end at a NUL, which neither a log nor MySQL's greeting could hold.
std::string check_name(lua_State* L, int index) {
  const std::string_view text = lua::check_text(L, index);
  if (text.empty()) throw lua::Error("Empty string not allowed");
  return std::string(text.substr(0, text.find('\0')));
}

int assign(lua_State* L) {
  session::Session& session = check_session(L).session();
  const std::string_view name = lua::check_text(L, 2);
  if (name == "account") {
    session.account = lua_isnil(L, 3) ? std::string() : check_name(L, 3);
  } else if (name == "server_version") {
    if (session.listener().declaration.protocol == session::Protocol::Tcp) {
      throw lua::Error("'server_version' is not for tcp_listen: no version is announced");
    }
    session.server_version = check_name(L, 3);
  } else if (name == "log") {
    if (session.listener().declaration.protocol == session::Protocol::Tcp) {
      throw lua::Error("'log' is not for tcp_listen: it knows no statements");
    }
    session.logs = read_logs(L, 3);
  } else {
    throw lua::Error("Unknown attribute '" + std::string(name) + "'");
  }
  return 0;
}

void set_index(lua_State* L) {
  lua_pushstring(L, "index");
  lua_pushboolean(L, 0);
  lua_newtable(L);
  lua::set_functions(L, kMethods);
  lua_pushcclosure(L, lua::guarded<index>, 3);
  lua_setfield(L, -2, "__index");
}

}  // namespace

SessionHooks& hooks_of(const SessionLink& link) {
  if (*link == nullptr) throw lua::Error("Stale object");
  return **link;
}

void define_clients(lua_State* L) {
  constexpr lua::Function kAssign[] = {{"__newindex", lua::guarded<assign>}};
  Clients::define(L, [&kAssign](lua_State* l) {
    set_index(l);
    lua::set_functions(l, kAssign);
  });
  lua_pushlightuserdata(L, &clients_key);
  lua_newtable(L);
  lua_newtable(L);
  lua_pushstring(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawset(L, LUA_REGISTRYINDEX);
}

void push_client(lua_State* L, const SessionHooks& hooks, const SessionLink& link) {
  void* const key = const_cast<SessionHooks*>(&hooks);
  lua_pushlightuserdata(L, &clients_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_pushlightuserdata(L, key);
  lua_rawget(L, -2);
  // Memory is used again: another session's client may still be there.
  const ClientObject* const known = Clients::test(L, -1);
  if (known == nullptr || known->link != link) {
    lua_pop(L, 1);
    Clients::push(L, ClientObject{link});
    lua_newtable(L);
    lua_setfenv(L, -2);
    lua_pushlightuserdata(L, key);
    lua_pushvalue(L, -2);
    lua_rawset(L, -4);
  }
  lua_remove(L, -2);
}

}  // namespace perilune::script
