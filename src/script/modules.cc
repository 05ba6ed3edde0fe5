#include "script/modules.hh"

#include <span>
#include <string>

#include "lua/chunk.hh"
#include "lua/function.hh"
#include "lua/state.hh"
#include "script/apps_file.hh"
#include "script/globals.hh"
#include "script/libs.hh"
#include "script/limits.hh"
#include "script/tree.hh"

namespace perilune::script {

namespace {

// read(path, label) → list of apps, or nil, message
int read_apps_file(lua_State* L) {
  check_is_loading(L, "perilune.apps.listen");
  const std::string path{lua::check_text(L, 1)};
  const std::string label{lua::check_text(L, 2)};
  const auto text = lua::State::of(L).sources().read(path);
  if (!text) return push_failure(L, text.error().message);
  return push_parsed(L, read_apps(label, **text));
}

constexpr lua::Function kApps[] = {{"read", lua::guarded<read_apps_file>}};
constexpr lua::Function kLimits[] = {
    {"enter", lua::guarded<enter_place>},
    {"leave", lua::guarded<leave_place>},
    {"take", lua::guarded<take_tokens>},
};

// A module, and what its chunk gets as second argument, behind its name.
struct Module {
  const char* name;
  const char* text;
  std::span<const lua::Function> natives;
};

constexpr Module kModules[] = {
    {"perilune.apps",
#include "script/apps.inc"
     , kApps},
    {"perilune.limits",
#include "script/limits.inc"
     , kLimits},
};

// chunk, natives → loader
constexpr const char* kLoader = R"lua(
local chunk, natives = ...
return function(name)
  return chunk(name, natives)
end
)lua";

void push_text_chunk(lua_State* L, const char* text, const char* name) {
  if (!lua::push_chunk(L, text, name)) lua_error(L);
}

}  // namespace

void open_modules(lua_State* L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  for (const Module& module : kModules) {
    push_text_chunk(L, kLoader, "=perilune");
    push_text_chunk(L, module.text, (std::string("=") + module.name).c_str());
    push_library(L, module.natives);
    lua_call(L, 2, 1);
    lua_setfield(L, -2, module.name);
  }
  lua_pop(L, 2);
}

}  // namespace perilune::script
