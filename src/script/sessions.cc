#include "script/sessions.hh"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "lua/function.hh"
#include "lua/wait.hh"
#include "script/client.hh"
#include "script/hooks.hh"
#include "script/host.hh"
#include "session/directory.hh"

namespace perilune::script {

namespace {

using Rows = std::vector<session::SessionRow>;

void set_number(lua_State* L, const char* name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

void set_text(lua_State* L, const char* name, const std::string& text) {
  lua::push_text(L, text);
  lua_setfield(L, -2, name);
}

// As in `client`, what is not there is nil.
void set_optional_text(lua_State* L, const char* name, const std::string& text) {
  if (!text.empty()) set_text(L, name, text);
}

void push_row(lua_State* L, const session::SessionRow& row) {
  lua_newtable(L);
  set_number(L, "id", row.id);
  set_text(L, "protocol", session::name_of(row.protocol));
  set_text(L, "address", row.address.text());
  set_optional_text(L, "user", row.user);
  set_optional_text(L, "account", row.account);
  set_optional_text(L, "database", row.database);
  set_optional_text(L, "server", row.server.text());
  set_optional_text(L, "server_version", row.server_version);
  const std::chrono::duration<double> since = row.connected_at.time_since_epoch();
  set_number(L, "connected_at", since.count());
  set_number(L, "bytes_in", static_cast<double>(row.bytes_in));
  set_number(L, "bytes_out", static_cast<double>(row.bytes_out));
  set_number(L, "queries", static_cast<double>(row.queries));
  set_number(L, "worker", row.worker);
  lua_pushboolean(L, row.draining);
  lua_setfield(L, -2, "draining");
}

int push_rows(lua_State* L, const Rows& rows) {
  lua_createtable(L, static_cast<int>(rows.size()), 0);
  int index = 0;
  for (const session::SessionRow& row : rows) {
    push_row(L, row);
    lua_rawseti(L, -2, ++index);
  }
  return 1;
}

event::Task<Rows> all_rows(session::Directory* directory) {
  if (directory == nullptr) co_return Rows{};
  co_return co_await directory->all();
}

event::Task<lua::Push> collect_rows(session::Directory* directory) {
  Rows rows = co_await all_rows(directory);
  co_return lua::Push{[rows = std::move(rows)](lua_State* L) { return push_rows(L, rows); }};
}

event::Task<lua::Push> disconnect_session(session::Directory* directory, std::uint32_t id) {
  bool found = false;
  if (directory != nullptr) {
    found = co_await directory->disconnect(id);
  }
  co_return lua::Push{[found](lua_State* L) {
    lua_pushboolean(L, found);
    return 1;
  }};
}

std::uint32_t check_id(lua_State* L, int index) {
  const double number = lua::check_number(L, index);
  const bool fits = number >= 0 && number <= std::numeric_limits<std::uint32_t>::max();
  if (!fits || number != std::floor(number)) throw lua::ArgumentError(index, "not a session's id");
  return static_cast<std::uint32_t>(number);
}

std::vector<SessionHooks*> hooks_of_all(const Host& host) {
  std::vector<SessionHooks*> found;
  session::Directory* const directory = host.options().directory;
  if (directory == nullptr) return found;
  directory->local().for_each([&host, &found](session::Session& session) {
    auto* const hooks = dynamic_cast<SessionHooks*>(&session.hooks());
    if (hooks != nullptr && hooks->is_of(host) && session.is_introduced()) found.push_back(hooks);
  });
  std::ranges::sort(found, {}, [](const SessionHooks* hooks) { return hooks->session().id(); });
  return found;
}

}  // namespace

int sessions(lua_State* L) { return lua::await(L, collect_rows(Host::of(L).options().directory)); }

int local_sessions(lua_State* L) {
  lua_newtable(L);
  int index = 0;
  for (SessionHooks* const hooks : hooks_of_all(Host::of(L))) {
    push_client(L, *hooks, hooks->link());
    lua_rawseti(L, -2, ++index);
  }
  return 1;
}

int disconnect(lua_State* L) {
  const std::uint32_t id = check_id(L, 1);
  return lua::await(L, disconnect_session(Host::of(L).options().directory, id));
}

}  // namespace perilune::script
