// on_log: what the script is told of a statement that has ended, and where it sends that.

#include <variant>

#include "lua/function.hh"
#include "script/callback.hh"
#include "script/hooks.hh"
#include "script/host.hh"
#include "script/log.hh"

namespace perilune::script {

namespace {

constexpr Callback kOnLog{"on_log", stats::Callback::OnLog, true};

void set_text(lua_State* L, const char* name, std::string_view text) {
  if (text.empty()) return;
  lua::push_text(L, text);
  lua_setfield(L, -2, name);
}

void set_number(lua_State* L, const char* name, double number) {
  lua_pushnumber(L, number);
  lua_setfield(L, -2, name);
}

struct PushValue {
  lua_State* L;
  void operator()(std::monostate) const { lua_pushnil(L); }
  void operator()(std::int64_t number) const { lua_pushnumber(L, static_cast<double>(number)); }
  void operator()(std::uint64_t number) const { lua_pushnumber(L, static_cast<double>(number)); }
  void operator()(double number) const { lua_pushnumber(L, number); }
  void operator()(const std::string& text) const { lua::push_text(L, text); }
};

void push_row(lua_State* L, const std::vector<BoundValue>& row) {
  lua_newtable(L);
  set_number(L, "n", static_cast<double>(row.size()));
  for (std::size_t i = 0; i < row.size(); ++i) {
    std::visit(PushValue{L}, row[i]);
    lua_rawseti(L, -2, static_cast<int>(i + 1));
  }
}

// Of bulk, a list of lists.
void set_parameters(lua_State* L, const log::Record& record) {
  if (record.parameters.empty()) return;
  if (record.kind == "bulk") {
    lua_newtable(L);
    for (std::size_t i = 0; i < record.parameters.size(); ++i) {
      push_row(L, record.parameters[i]);
      lua_rawseti(L, -2, static_cast<int>(i + 1));
    }
  } else {
    push_row(L, record.parameters.front());
  }
  lua_setfield(L, -2, "parameters");
}

void set_error(lua_State* L, const log::RecordError& error) {
  lua_newtable(L);
  if (error.code != 0) set_number(L, "code", error.code);
  set_text(L, "sqlstate", error.sqlstate);
  lua::push_text(L, error.message);
  lua_setfield(L, -2, "message");
  lua_setfield(L, -2, "error");
}

void set_result(lua_State* L, const log::Record& record) {
  set_number(L, "duration", record.duration.count());
  set_number(L, "first", record.first.count());
  if (record.rows) set_number(L, "rows", static_cast<double>(*record.rows));
  if (record.affected) set_number(L, "affected", static_cast<double>(*record.affected));
  if (record.error) set_error(L, *record.error);
  lua_pushboolean(L, record.answered);
  lua_setfield(L, -2, "answered");
}

void push_record(lua_State* L, const log::Record& record) {
  lua_newtable(L);
  set_number(L, "time", std::chrono::duration<double>(record.time.time_since_epoch()).count());
  set_number(L, "session", record.session);
  set_text(L, "protocol", record.protocol);
  set_text(L, "client", record.client);
  set_text(L, "account", record.account);
  set_text(L, "user", record.user);
  set_text(L, "database", record.database);
  set_text(L, "server", record.server);
  set_text(L, "kind", record.kind);
  lua::push_text(L, record.sql);
  lua_setfield(L, -2, "sql");
  set_number(L, "sql_bytes", static_cast<double>(record.sql_size));
  set_text(L, "original", record.original);
  set_parameters(L, record);
  set_result(L, record);
}

}  // namespace

bool SessionHooks::has_on_log() const noexcept { return handler_.on_log >= 0; }

// A callback that waits would let the statements behind this one overtake it.
std::optional<session::LogList> SessionHooks::on_log(const log::Record& record) {
  auto box = host_->take_call();
  lua::Call& call = box->emplace(host_->state(), kOnLog.name);
  call.set_owner(this);
  CallbackTime time{session_.metrics().callbacks, kOnLog.counted};
  const bool over = call.start([&](lua_State* L) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, handler_.on_log);
    push_kept_client(L);
    push_record(L, record);
    return 3;
  });
  time.stop();
  std::optional<session::LogList> logs;
  if (!over) {
    report(kOnLog, "on_log may not wait");
  } else if (call.failed()) {
    report(kOnLog, call.failure());
  } else {
    logs = chosen_logs(call);
  }
  host_->give_back(std::move(box));
  return logs;
}

std::optional<session::LogList> SessionHooks::chosen_logs(const lua::Call& call) {
  lua_State* const results = call.results();
  const int count = call.result_count();
  if (count == 0 || (count == 1 && lua_isnil(results, 1))) return std::nullopt;
  const bool is_one = count == 1;
  if (is_one && lua_isboolean(results, 1) && !lua_toboolean(results, 1)) return session::LogList{};
  if (is_one) {
    if (auto logs = test_logs(results, 1)) return logs;
  }
  report(kOnLog, "expected: nothing, false, a log or a list of logs");
  return std::nullopt;
}

}  // namespace perilune::script
