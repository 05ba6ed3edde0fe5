#include "script/host.hh"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "event/first_of.hh"
#include "lua/call.hh"
#include "lua/chunk.hh"
#include "lua/function.hh"
#include "script/apps_file.hh"
#include "script/callback.hh"
#include "script/globals.hh"
#include "script/hooks.hh"
#include "session/session.hh"
#include "util/error.hh"

namespace perilune::script {

namespace {

lua::Memory initial_memory() {
  lua::Memory memory;
  memory.set_limit(session::ScriptSettings{}.script_memory);
  return memory;
}

HostOptions complete(HostOptions options) {
  if (!options.dictionaries) options.dictionaries = std::make_shared<shared::Registry>();
  if (!options.own_metrics) options.own_metrics = std::make_shared<stats::OwnMetrics>();
  return options;
}

std::string with_traceback(const std::string& message, const std::string& traceback) {
  // The last line is the main chunk itself: with nothing else there it tells nothing.
  const auto lines = std::ranges::count(traceback, '\n');
  return lines > 2 ? message + "\n" + traceback : message;
}

std::string_view function_of(log::QueryLogOptions::Where where) noexcept {
  using enum log::QueryLogOptions::Where;
  switch (where) {
    case File:
      return "log_file";
    case Socket:
      return "log_socket";
    case Syslog:
      return "log_syslog";
    case Journal:
      break;
  }
  return "log_journal";
}

}  // namespace

Host::Host(event::Loop& loop, HostOptions options)
    : loop_(loop),
      options_(complete(std::move(options))),
      state_(loop, options_.sources, initial_memory()),
      own_clusters_(*options_.logger),
      background_(loop) {
  state_.set_owner(this);
  state_.watch().set_limit(settings().callback_cpu_limit);
  state_.protect([](lua_State* L) { open_globals(L); });
}

Host::~Host() {
  for (const Handler& handler : handlers_) release(handler);
}

Host& Host::of(lua_State* L) noexcept { return *static_cast<Host*>(lua::State::of(L).owner()); }

event::Task<session::Declaration> Host::load() {
  load_expired_.emplace(loop_);
  load_started_ = loop_.now();
  arm_load_deadline();
  lua::Call call{state_, "main chunk"};
  call.yield_regularly();
  call.refuse_bare_yields();
  bool in_time = true;
  const bool over = call.start([this](lua_State* L) { return push_main_chunk(L); });
  if (!over) {
    event::Task<> rest = call.finish();
    in_time = co_await event::FirstOf<void>(rest, *load_expired_);
    if (in_time) rest.take();
  }
  load_deadline_.disarm();
  if (!in_time) throw ConfigError(options_.path + ": the script did not end within load_timeout");
  if (call.failed()) {
    const std::string& message = call.failure().message;
    if (is_apps_file(options_.path)) throw ConfigError(message);
    throw ConfigError(with_traceback(message, call.failure().traceback));
  }
  read_globals();
  co_return declaration_;
}

// Without a script of the user's, what a script of one line would do.
int Host::push_apps_chunk(lua_State* L) {
  constexpr std::string_view kChunk = "require('perilune.apps').listen(...)";
  if (!lua::push_chunk(L, kChunk, "=perilune")) lua_error(L);
  lua::push_text(L, std::filesystem::path(options_.path).filename().string());
  lua::push_text(L, options_.path);
  return 3;
}

int Host::push_main_chunk(lua_State* L) {
  if (is_apps_file(options_.path)) return push_apps_chunk(L);
  const std::string file = std::filesystem::path(options_.path).filename();
  const auto text = options_.sources->read(file);
  std::string message;
  if (text) {
    if (lua::push_chunk(L, **text, ("@" + options_.path).c_str())) return 1;
    lua_error(L);
  }
  // Without a position: there is no line to blame.
  lua::push_text(L, fmt::format("{}: {}", options_.path, text.error().message));
  lua_error(L);
  return 0;
}

void Host::arm_load_deadline() {
  const Millis elapsed = loop_.now() - load_started_;
  const Millis left = std::max(settings().load_timeout - elapsed, Millis{1});
  load_deadline_.arm(loop_, left, [this] { load_expired_->set(); });
}

void Host::read_globals() {
  state_.protect([this](lua_State* L) {
    lua_getglobal(L, "populate_io_buffers");
    declaration_.settings.populate_io_buffers = lua_toboolean(L, -1) != 0;
  });
}

std::unique_ptr<session::Hooks> Host::make_hooks(session::Session& session, std::size_t listener) {
  const Handler& handler = handlers_.at(listener);
  session.logs = handler.logs;
  return std::make_unique<SessionHooks>(shared_from_this(), session, handler);
}

bool Host::has_reload() {
  bool has = false;
  try {
    state_.protect([&has](lua_State* L) {
      lua_getglobal(L, "reload");
      has = lua_isfunction(L, -1);
    });
  } catch (const lua::Error& error) {  // of a metatable of _G, or no memory
    logger().error("no reload function", log::field("error", error.what()));
  }
  return has;
}

event::Task<> Host::call_reload() {
  const auto self = shared_from_this();
  const Alone how{"reload", stats::Callback::Reload, "load_timeout", settings().load_timeout};
  lua::Push push{[](lua_State* L) {
    lua_getglobal(L, "reload");
    return 1;
  }};
  co_await call_alone(how, std::move(push));
}

event::Task<> Host::call_alone(Alone how, lua::Push push) {
  lua::Call call{state_, how.name};
  bool in_time = true;
  CallbackTime time{options_.metrics->callbacks, how.counted};
  const bool over = call.start(push);
  if (!over) {
    auto rest = call.finish();
    in_time = co_await event::within(loop_, how.limit, std::move(rest));
  }
  time.stop();
  if (in_time && !call.failed()) co_return;
  const bool aborted = call.failed() && call.failure().aborted;
  options_.metrics->lua_errors.add();
  if (aborted) options_.metrics->lua_aborts.add();
  options_.metrics->callbacks.fail(how.counted, aborted);
  const std::string why =
      in_time ? call.failure().message : fmt::format("{} exceeded {}", how.name, how.limit_name);
  logger().error("callback failed", log::field("callback", how.name), log::field("error", why));
  const std::string& traceback = call.failure().traceback;
  if (in_time && !traceback.empty()) logger().text(log::Level::Error, how.name, traceback);
}

std::string Host::describe() const {
  std::string text;
  for (const auto& listener : declaration_.listeners) {
    text += fmt::format("{}_listen {}: {}\n", session::name_of(listener.protocol), listener.label,
                        fmt::join(listener.callbacks, ", "));
  }
  for (const auto& cluster : declaration_.clusters) {
    text += fmt::format("{}_cluster {}: {} nodes\n", cluster->settings().protocol, cluster->name(),
                        cluster->settings().nodes.size());
  }
  for (const auto& control : declaration_.controls) {
    text += fmt::format("control_listen {}\n", control.label);
  }
  for (const auto& log : declaration_.logs) {
    text += fmt::format("{} {}\n", function_of(log.where), log.target);
  }
  for (const auto& http : declaration_.https) {
    text += fmt::format("{} {}\n", session::name_of(http.service), http.label);
  }
  const auto& settings = declaration_.settings;
  text += fmt::format("workers {}\n", settings.workers ? std::to_string(*settings.workers)
                                      : declaration_.uses_myproxy_names ? "1"
                                                                        : "one per processor");
  return text;
}

void Host::apply_settings(const session::ScriptSettings& settings) {
  declaration_.settings = settings;
  state_.memory().set_limit(settings.script_memory);
  state_.watch().set_limit(settings.callback_cpu_limit);
  arm_load_deadline();
}

void Host::add_listener(session::ListenerDeclaration declaration, const Handler& handler) {
  const auto& where = declaration.where;
  if (std::ranges::find(declaration_.listeners, where, &session::ListenerDeclaration::where) !=
      declaration_.listeners.end()) {
    release(handler);
    throw lua::Error(fmt::format("{} has a listener already", declaration.label));
  }
  declaration_.uses_myproxy_names |= handler.is_myproxy;
  handlers_.push_back(handler);
  declaration_.listeners.push_back(std::move(declaration));
}

void Host::add_control(session::ControlDeclaration declaration) {
  const auto found = std::ranges::find(declaration_.controls, declaration.where,
                                       &session::ControlDeclaration::where);
  if (found != declaration_.controls.end()) {
    throw lua::Error(fmt::format("{} has a control listener already", declaration.label));
  }
  declaration_.controls.push_back(std::move(declaration));
}

std::shared_ptr<const session::DeclaredLog> Host::add_log(log::QueryLogOptions options) {
  const auto known = std::ranges::find_if(
      logs_, [&options](const auto& log) { return log->options == options; });
  if (known != logs_.end()) return *known;
  declaration_.logs.push_back(options);
  logs_.push_back(std::make_shared<session::DeclaredLog>());
  logs_.back()->options = std::move(options);
  return logs_.back();
}

void Host::open_logs(const std::vector<std::shared_ptr<log::QueryLog>>& logs) {
  for (const auto& declared : logs_) {
    const auto found = std::ranges::find_if(
        logs, [&](const auto& log) { return log->options() == declared->options; });
    if (found == logs.end()) continue;
    declared->log = *found;
    declared->producer = &(*found)->producer(options_.worker);
  }
}

void Host::add_http(session::HttpDeclaration declaration) {
  const auto found = std::ranges::find(declaration_.https, declaration.where,
                                       &session::HttpDeclaration::where);
  if (found != declaration_.https.end()) {
    throw lua::Error(fmt::format("{} has a listener already", declaration.label));
  }
  declaration_.https.push_back(std::move(declaration));
}

std::shared_ptr<net::TlsClient> Host::tls_client(const net::TlsClientOptions& options) {
  auto& client = tls_clients_[options];
  if (!client) client = std::make_shared<net::TlsClient>(options);
  return client;
}

std::shared_ptr<cluster::Cluster> Host::find_or_make_cluster(cluster::Settings settings) {
  cluster::Registry& registry = options_.clusters != nullptr ? *options_.clusters : own_clusters_;
  auto cluster = registry.find_or_make(std::move(settings));
  auto& declared = declaration_.clusters;
  if (!is_loading()) {
    cluster->activate();
  } else if (std::ranges::find(declared, cluster) == declared.end()) {
    declared.push_back(cluster);
  }
  return cluster;
}

std::unique_ptr<std::optional<lua::Call>> Host::take_call() {
  if (spare_call_) return std::move(spare_call_);
  return std::make_unique<std::optional<lua::Call>>();
}

void Host::give_back(std::unique_ptr<std::optional<lua::Call>> place) noexcept {
  place->reset();
  spare_call_ = std::move(place);
}

void Host::warn_unchecked(const Handler& handler, session::Session& session) {
  if (std::exchange(handler.has_warned, true)) return;
  logger().warning(
      "logins are not checked: on_handshake_response connects with credentials of the script's own",
      log::field("listener", session.listener().declaration.label));
}

void Host::release(const Handler& handler) noexcept {
  for (const int reference : {handler.on_connect, handler.on_login, handler.on_command_phase,
                              handler.on_disconnect, handler.on_init_db, handler.on_query,
                              handler.on_log}) {
    state_.unref(reference);
  }
}

}  // namespace perilune::script
