#include "script/settings.hh"

#include <array>
#include <string_view>

#include "lua/error.hh"
#include "lua/function.hh"
#include "lua/options.hh"
#include "script/globals.hh"
#include "script/host.hh"

namespace perilune::script {

namespace {

constexpr std::uint64_t kMostWorkers = 256;

constexpr std::array<std::string_view, 7> kNames{
    "callback_cpu_limit", "callback_timeout", "drain_timeout", "load_timeout",
    "memory_limit",       "script_memory",    "workers"};

void read_duration(const lua::Options& options, std::string_view name, Millis& value) {
  if (const auto duration = options.duration(name)) value = *duration;
}

void read_size(const lua::Options& options, std::string_view name, std::uint64_t& value) {
  if (const auto size = options.size(name)) value = *size;
}

void read_workers(const lua::Options& options, session::ScriptSettings& settings) {
  const auto workers = options.integer("workers", kMostWorkers);
  if (!workers) return;
  if (*workers == 0) throw lua::Error("bad 'workers' value (at least 1 expected)");
  settings.workers = static_cast<unsigned>(*workers);
}

}  // namespace

int settings(lua_State* L) {
  check_is_loading(L, "settings");
  lua::check_table(L, 1);
  const lua::Options options{L, 1, "setting", kNames};
  Host& host = Host::of(L);
  session::ScriptSettings settings = host.settings();
  read_workers(options, settings);
  read_duration(options, "callback_cpu_limit", settings.callback_cpu_limit);
  read_duration(options, "callback_timeout", settings.callback_timeout);
  read_duration(options, "drain_timeout", settings.drain_timeout);
  read_duration(options, "load_timeout", settings.load_timeout);
  read_size(options, "memory_limit", settings.memory_limit);
  read_size(options, "script_memory", settings.script_memory);
  host.apply_settings(settings);
  return 0;
}

}  // namespace perilune::script
