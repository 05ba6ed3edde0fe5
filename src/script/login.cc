#include "script/login.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "lua/function.hh"
#include "lua/native.hh"
#include "lua/options.hh"
#include "lua/wait.hh"
#include "script/hooks.hh"
#include "util/suggest.hh"

namespace perilune::script {

namespace {

using Attributes = std::vector<std::pair<std::string, std::string>>;

constexpr std::size_t kSha1Size = 20;
constexpr std::array<std::string_view, 6> kFields{"attributes", "change",        "database",
                                                  "password",   "password_sha1", "user"};
char metatable_key;

void push_metatable(lua_State* L) {
  lua_pushlightuserdata(L, &metatable_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
}

event::Task<lua::Push> verify_for(SessionHooks& hooks, std::optional<auth::Secret> secret) {
  const bool right = co_await hooks.verify(std::move(secret));
  co_return lua::Push{[right](lua_State* L) {
    lua_pushboolean(L, right);
    return 1;
  }};
}

// login:verify(secret) → whether the client knows it; nil: for a user that does not exist.
int verify(lua_State* L) {
  SessionHooks& hooks = SessionHooks::of_login(L, 1);
  if (lua_isnone(L, 2)) lua::fail_type(L, 2, "string or nil");
  std::optional<auth::Secret> secret;
  if (!lua_isnil(L, 2)) secret.emplace(lua::check_text(L, 2));
  return lua::await(L, verify_for(hooks, std::move(secret)));
}

event::Task<lua::Push> read_password_for(SessionHooks& hooks) {
  auth::Secret password = co_await hooks.read_password();
  auto shared = std::make_shared<const auth::Secret>(std::move(password));
  co_return lua::Push{[shared](lua_State* L) {
    lua::push_text(L, as_text(shared->bytes()));
    return 1;
  }};
}

// Asked only for what the table itself has not.
int index(lua_State* L) {
  const std::string_view key = lua_type(L, 2) == LUA_TSTRING ? lua::text_at(L, 2) : "";
  if (key == "password") return lua::await(L, read_password_for(SessionHooks::of_login(L, 1)));
  if (key == "verify") {
    lua_pushvalue(L, lua_upvalueindex(3));
  } else {
    lua_pushnil(L);
  }
  return 1;
}

constexpr lua::Function kVerify[] = {{"verify", lua::guarded<verify>, true}};

bool is_login_of_callback(lua_State* L, int table) {
  if (lua_getmetatable(L, table) == 0) return false;
  push_metatable(L);
  const bool same = lua_rawequal(L, -1, -2) != 0;
  lua_pop(L, 2);
  return same;
}

void check_fields(lua_State* L, int table) {
  lua::for_each_key(L, table, "login attribute", [](std::string_view key) {
    if (std::ranges::find(kFields, key) != kFields.end()) return;
    throw lua::Error(unknown_name("login attribute", key, kFields));
  });
}

// The raw field as text; absent when nil. Strings and numbers only.
std::optional<std::string> field(lua_State* L, int table, const char* name) {
  lua_pushstring(L, name);
  lua_rawget(L, table);
  std::optional<std::string> value;
  if (lua_isstring(L, -1) != 0) {
    value = std::string(lua::text_at(L, -1));
  } else if (!lua_isnil(L, -1)) {
    throw lua::Error(
        fmt::format("bad '{}' value (string expected, got {})", name, luaL_typename(L, -1)));
  }
  lua_pop(L, 1);
  return value;
}

std::optional<auth::Secret> secret(lua_State* L, int table, const char* name) {
  auto text = field(L, table, name);
  if (!text) return std::nullopt;
  auth::Secret secret{*text};
  auth::wipe(std::as_writable_bytes(std::span{*text}));
  return secret;
}

std::map<std::string, std::string> read_pairs(lua_State* L, int table) {
  std::map<std::string, std::string> pairs;
  for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
    const bool texts = lua_type(L, -2) == LUA_TSTRING && lua_isstring(L, -1) != 0;
    if (!texts) throw lua::Error("login attributes are strings by name");
    std::string name{lua::text_at(L, -2)};
    lua_pushvalue(L, -1);
    pairs[std::move(name)] = lua::text_at(L, -1);
    lua_pop(L, 1);
  }
  return pairs;
}

// What the client sent keeps its order, what the script added comes last.
Attributes in_order(std::map<std::string, std::string> pairs, const Attributes& original) {
  Attributes attributes;
  for (const auto& [name, value] : original) {
    if (auto found = pairs.extract(name)) attributes.emplace_back(name, found.mapped());
  }
  for (auto& [name, value] : pairs) attributes.emplace_back(name, std::move(value));
  return attributes;
}

Attributes read_attributes(lua_State* L, int table, const session::Login* original) {
  static const Attributes kNone;
  const Attributes& sent = original != nullptr ? original->attributes : kNone;
  lua_pushstring(L, "attributes");
  lua_rawget(L, table);
  Attributes attributes;
  if (lua_istable(L, -1)) {
    attributes = in_order(read_pairs(L, lua_gettop(L)), sent);
  } else if (lua_isnil(L, -1)) {
    if (!is_login_of_callback(L, table)) attributes = sent;
  } else {
    throw lua::Error(
        fmt::format("bad 'attributes' value (table expected, got {})", luaL_typename(L, -1)));
  }
  lua_pop(L, 1);
  return attributes;
}

void read_credentials(lua_State* L, int table, auth::Credentials& credentials) {
  credentials.password = secret(L, table, "password");
  credentials.password_sha1 = secret(L, table, "password_sha1");
  if (credentials.password_sha1 && credentials.password_sha1->size() != kSha1Size) {
    throw lua::Error("Bad SHA1 length");
  }
  const bool none = !credentials.password && !credentials.password_sha1;
  if (none && !is_login_of_callback(L, table)) credentials.password.emplace();
}

void set_text(lua_State* L, const char* name, std::string_view text) {
  lua::push_text(L, text);
  lua_setfield(L, -2, name);
}

}  // namespace

void define_logins(lua_State* L) {
  lua_pushlightuserdata(L, &metatable_key);
  lua_newtable(L);
  set_text(L, "__metatable", "login");
  lua_rawgeti(L, LUA_REGISTRYINDEX, lua::kWaitsReference);
  lua_pushstring(L, "login.password");
  lua_pushboolean(L, 1);
  lua_newtable(L);
  lua::set_functions(L, kVerify);
  lua_getfield(L, -1, "verify");
  lua_remove(L, -2);
  lua_pushcclosure(L, lua::guarded<index>, 3);
  lua_call(L, 1, 1);
  lua_setfield(L, -2, "__index");
  lua_rawset(L, LUA_REGISTRYINDEX);
}

void push_login(lua_State* L, const session::Login& login) {
  lua_createtable(L, 0, 4);
  set_text(L, "user", login.user);
  if (!login.database.empty()) set_text(L, "database", login.database);
  lua_pushboolean(L, login.change);
  lua_setfield(L, -2, "change");
  lua_createtable(L, 0, static_cast<int>(login.attributes.size()));
  for (const auto& [name, value] : login.attributes) {
    lua::push_text(L, name);
    lua::push_text(L, value);
    lua_rawset(L, -3);
  }
  lua_setfield(L, -2, "attributes");
  push_metatable(L);
  lua_setmetatable(L, -2);
}

void read_login(lua_State* L, int table, const session::Login* original, ConnectAction& action) {
  check_fields(L, table);
  action.login.user = field(L, table, "user").value_or("");
  action.login.database = field(L, table, "database").value_or("");
  action.login.attributes = read_attributes(L, table, original);
  action.login.change = original != nullptr && original->change;
  read_credentials(L, table, action.credentials);
}

}  // namespace perilune::script
