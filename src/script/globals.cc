#include "script/globals.hh"

#include <chrono>
#include <string>
#include <utility>

#include "event/timer.hh"
#include "lua/function.hh"
#include "lua/wait.hh"
#include "script/action.hh"
#include "script/address.hh"
#include "script/cgroup.hh"
#include "script/client.hh"
#include "script/cluster.hh"
#include "script/control_listen.hh"
#include "script/host.hh"
#include "script/http_listen.hh"
#include "script/later.hh"
#include "script/libs.hh"
#include "script/listen.hh"
#include "script/log.hh"
#include "script/login.hh"
#include "script/modules.hh"
#include "script/sessions.hh"
#include "script/settings.hh"
#include "script/timers.hh"
#include "util/parse.hh"

namespace perilune::script {

namespace {

event::Task<lua::Push> sleep_for(event::Loop& loop, Millis delay) {
  co_await event::Sleep(loop, delay);
  co_return lua::Push{[](lua_State*) { return 0; }};
}

int sleep(lua_State* L) {
  const auto delay = duration_from_seconds(lua::check_number(L, 1));
  if (!delay) throw lua::ArgumentError(1, delay.error().message);
  return lua::await(L, sleep_for(lua::State::of(L).loop(), *delay));
}

template <typename SomeClock>
int push_time(lua_State* L) {
  const std::chrono::duration<double> time = SomeClock::now().time_since_epoch();
  lua_pushnumber(L, time.count());
  return 1;
}

// compiled(fn) → fn, which the JIT may compile and which therefore cannot be aborted.
int compiled(lua_State* L) {
  lua::check_function(L, 1);
  luaJIT_setmode(L, 1, LUAJIT_MODE_ALLFUNC | LUAJIT_MODE_ON);
  lua_settop(L, 1);
  return 1;
}

int print(lua_State* L) {
  std::string line;
  const int count = lua_gettop(L);
  lua_getglobal(L, "tostring");
  for (int i = 1; i <= count; ++i) {
    lua_pushvalue(L, count + 1);
    lua_pushvalue(L, i);
    lua_call(L, 1, 1);
    if (lua_isstring(L, -1) == 0) throw lua::Error("'tostring' must return a string to 'print'");
    if (i > 1) line += '\t';
    line += lua::text_at(L, -1);
    lua_pop(L, 1);
  }
  Host::of(L).logger().text(log::Level::Info, "print", line);
  return 0;
}

// Upvalues 3 and 4: the original, and whether the main chunk may call it.
int guarded_original(lua_State* L) {
  const bool allowed = lua_toboolean(L, lua_upvalueindex(4)) != 0;
  const std::string name = lua_tostring(L, lua_upvalueindex(1));
  if (!allowed) throw lua::Error(name + " would end the daemon; use error()");
  if (!Host::of(L).is_loading()) {
    throw lua::Error(name + " would stop every session; it belongs to the main chunk");
  }
  lua_pushvalue(L, lua_upvalueindex(3));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

void guard_original(lua_State* L, const char* library, const char* name, bool allowed) {
  lua_getglobal(L, library);
  lua_pushfstring(L, "%s.%s", library, name);
  lua_pushboolean(L, 0);
  lua_getfield(L, -3, name);
  lua_pushboolean(L, allowed);
  lua_pushcclosure(L, lua::guarded<guarded_original>, 4);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

constexpr lua::Function kFunctions[] = {
    {"admin_listen", lua::guarded<admin_listen>},
    {"compiled", lua::guarded<compiled>},
    {"control_listen", lua::guarded<control_listen>},
    {"control_resolve", lua::guarded<control_resolve>, true},
    {"disconnect", lua::guarded<disconnect>, true},
    {"every", lua::guarded<every>},
    {"local_sessions", lua::guarded<local_sessions>},
    {"log_file", lua::guarded<log_file>},
    {"log_journal", lua::guarded<log_journal>},
    {"log_socket", lua::guarded<log_socket>},
    {"log_syslog", lua::guarded<log_syslog>},
    {"monotonic", lua::guarded<push_time<std::chrono::steady_clock>>},
    {"mysql_cluster", lua::guarded<mysql_cluster>},
    {"mysql_listen", lua::guarded<mysql_listen>},
    {"mysql_resolve", lua::guarded<mysql_resolve>, true},
    {"now", lua::guarded<push_time<std::chrono::system_clock>>},
    {"pgsql_cluster", lua::guarded<pgsql_cluster>},
    {"pgsql_listen", lua::guarded<pgsql_listen>},
    {"pgsql_resolve", lua::guarded<pgsql_resolve>, true},
    {"print", lua::guarded<print>},
    {"prometheus_listen", lua::guarded<prometheus_listen>},
    {"sessions", lua::guarded<sessions>, true},
    {"settings", lua::guarded<settings>},
    {"sleep", lua::guarded<sleep>, true},
    {"tcp_cluster", lua::guarded<tcp_cluster>},
    {"tcp_listen", lua::guarded<tcp_listen>},
    {"tcp_resolve", lua::guarded<tcp_resolve>, true},
};

// In Lua, so that the function may wait.
constexpr const char* kFirstWorker = R"lua(
local first = ...
return function(f)
  if type(f) ~= "function" then
    error("bad argument #1 to 'first_worker' (function expected, got " .. type(f) .. ")", 2)
  end
  if first then
    return f()
  end
end
)lua";

void set_first_worker(lua_State* L) {
  if (luaL_loadbuffer(L, kFirstWorker, std::char_traits<char>::length(kFirstWorker), "=perilune") !=
      0) {
    lua_error(L);
  }
  luaJIT_setmode(L, -1, LUAJIT_MODE_ALLFUNC | LUAJIT_MODE_OFF);
  lua_pushboolean(L, Host::of(L).options().first_worker);
  lua_call(L, 1, 1);
  lua_setfield(L, -2, "first_worker");
}

// Copies the fields of the table on top to the globals.
void publish(lua_State* L) {
  for (lua_pushnil(L); lua_next(L, -2) != 0;) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, LUA_GLOBALSINDEX);
  }
}

}  // namespace

void open_globals(lua_State* L) {
  define_actions(L);
  define_logins(L);
  define_clients(L);
  define_logs(L);
  define_cgroups(L);
  define_clusters(L);
  lua_newtable(L);
  define_addresses(L);
  lua::set_functions(L, kFunctions);
  set_first_worker(L);
  set_libraries(L);
  set_later_names(L);
  set_libraries(L);
  publish(L);
  lua_setglobal(L, "perilune");
  open_modules(L);
  guard_original(L, "os", "exit", false);
  guard_original(L, "os", "execute", true);
  guard_original(L, "io", "popen", true);
}

void check_is_loading(lua_State* L, const char* name) {
  if (!Host::of(L).is_loading()) {
    throw lua::Error(std::string(name) + " belongs to the main chunk");
  }
}

}  // namespace perilune::script
