#pragma once

// script: what configurations see: functions, objects, callbacks. Implements session::Hooks by
// Lua; knows no protocol and no socket.

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/registry.hh"
#include "event/deadline.hh"
#include "event/latch.hh"
#include "event/loop.hh"
#include "event/task.hh"
#include "event/task_group.hh"
#include "log/logger.hh"
#include "lua/call.hh"
#include "lua/sources.hh"
#include "lua/state.hh"
#include "net/tls_context.hh"
#include "script/timers.hh"
#include "session/declaration.hh"
#include "session/declared_log.hh"
#include "session/hooks.hh"
#include "shared/registry.hh"
#include "stats/metrics.hh"
#include "stats/own_metrics.hh"

namespace perilune::session {
class Directory;
class Session;
}

namespace perilune::script {

struct HostOptions {
  std::string path;  // of the main file; `sources` were made with the same
  std::shared_ptr<lua::Sources> sources;
  unsigned worker = 0;
  bool first_worker = true;
  const log::Logger* logger = nullptr;  // outlives the host, as do the next two
  stats::Cells* metrics = nullptr;
  session::Directory* directory = nullptr;  // null: there are no sessions
  cluster::Registry* clusters = nullptr;    // null: this script's are all there are
  std::shared_ptr<shared::Registry> dictionaries;  // of the process; null: of this host alone
  std::shared_ptr<stats::OwnMetrics> own_metrics;  // likewise
  std::vector<std::string> systemd_socket_names;  // one per socket that systemd passed
  bool check_only = false;
};

// The callbacks of one listener: references into the registry.
struct Handler {
  int on_connect = LUA_NOREF;
  int on_login = LUA_NOREF;  // or on_handshake_response
  int on_command_phase = LUA_NOREF;
  int on_disconnect = LUA_NOREF;
  int on_init_db = LUA_NOREF;
  int on_query = LUA_NOREF;
  int on_log = LUA_NOREF;
  session::LogList logs;     // at first
  bool is_myproxy = false;  // on_handshake_response
  mutable bool has_warned = false;
};

// One worker's run of one generation's script: a Lua state and what the main chunk declared. Used
// by its worker's thread alone. Sessions keep theirs alive.
class Host : public std::enable_shared_from_this<Host> {
 public:
  Host(event::Loop& loop, HostOptions options);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host();

  static Host& of(lua_State* L) noexcept;

  // Runs the main chunk; throws ConfigError("file:line: message", and the traceback).
  event::Task<session::Declaration> load();
  // The generation has taken over: from now on listeners and settings raise, and timers run.
  void commit() noexcept {
    state_.finish_loading();
    state_.collect_garbage();  // of the load: it would only set the pace of later collections
    timers_.start();
  }
  void stop_timers() noexcept { timers_.stop(); }
  // The logs that were declared, opened: their queues for the worker. Before commit().
  void open_logs(const std::vector<std::shared_ptr<log::QueryLog>>& logs);
  // What lives as long as the host does.
  void keep_alive(std::shared_ptr<const void> what) noexcept { kept_alive_ = std::move(what); }
  bool is_loading() const noexcept { return state_.is_loading(); }

  // For sessions of the listener with this index in the declaration.
  std::unique_ptr<session::Hooks> make_hooks(session::Session& session, std::size_t listener);

  // The script's global function reload(), if it has one. What fails is logged.
  bool has_reload();
  event::Task<> call_reload();

  // What the script declared, in words, a line each.
  std::string describe() const;

  bool populate_io_buffers() const noexcept { return declaration_.settings.populate_io_buffers; }
  lua::Watch& watch() noexcept { return state_.watch(); }
  std::shared_ptr<lua::Watch> share_watch() const noexcept { return state_.share_watch(); }
  std::size_t memory_used() noexcept { return state_.memory().used(); }

  // --- for the functions of the script

  lua::State& state() noexcept { return state_; }
  const HostOptions& options() const noexcept { return options_; }
  const log::Logger& logger() const noexcept { return *options_.logger; }
  const session::ScriptSettings& settings() const noexcept { return declaration_.settings; }
  void apply_settings(const session::ScriptSettings& settings);
  shared::Registry& dictionaries() noexcept { return *options_.dictionaries; }
  stats::OwnMetrics& own_metrics() noexcept { return *options_.own_metrics; }
  Timers& timers() noexcept { return timers_; }
  // Runs a function of the script that nobody waits for; what fails is logged. The host outlives
  // the task.
  struct Alone {
    const char* name;
    stats::Callback counted;
    const char* limit_name;  // the setting
    Millis limit;
  };
  event::Task<> call_alone(Alone how, lua::Push push);
  // Throws lua::Error when something listens there already.
  void add_listener(session::ListenerDeclaration declaration, const Handler& handler);
  void add_control(session::ControlDeclaration declaration);
  // The same object for equal options.
  std::shared_ptr<const session::DeclaredLog> add_log(log::QueryLogOptions options);
  void add_http(session::HttpDeclaration declaration);
  // The same object for equal options: files are read once, and sessions resumed. Throws
  // ConfigError.
  std::shared_ptr<net::TlsClient> tls_client(const net::TlsClientOptions& options);
  // Declares it in the main chunk; later on it is used at once.
  std::shared_ptr<cluster::Cluster> find_or_make_cluster(cluster::Settings settings);
  // A place for a call that is over soon: the same one again and again.
  std::unique_ptr<std::optional<lua::Call>> take_call();
  void give_back(std::unique_ptr<std::optional<lua::Call>> place) noexcept;
  // Runs a task until it ends or the host does.
  void spawn(event::Task<> task) { background_.spawn(std::move(task)); }
  // Logs once for each listener that its script lets in clients whom nothing has checked.
  void warn_unchecked(const Handler& handler, session::Session& session);

 private:
  int push_apps_chunk(lua_State* L);
  int push_main_chunk(lua_State* L);
  void arm_load_deadline();
  void read_globals();
  void release(const Handler& handler) noexcept;

  std::shared_ptr<const void> kept_alive_;
  event::Loop& loop_;
  HostOptions options_;
  lua::State state_;
  cluster::Registry own_clusters_;
  session::Declaration declaration_;
  std::vector<std::shared_ptr<session::DeclaredLog>> logs_;  // parallel to the declaration's
  std::deque<Handler> handlers_;  // sessions refer to them
  std::map<net::TlsClientOptions, std::shared_ptr<net::TlsClient>> tls_clients_;
  std::unique_ptr<std::optional<lua::Call>> spare_call_;
  std::optional<event::Latch> load_expired_;
  event::Deadline load_deadline_;
  Millis load_started_{0};
  event::TaskGroup background_;  // ends before the state does, as do the next
  Timers timers_{*this};         // functions may wait in there
};

}  // namespace perilune::script
