#include "script/background.hh"

#include <string>
#include <utility>

#include "event/first_of.hh"
#include "lua/call.hh"
#include "script/host.hh"

namespace perilune::script {

namespace {

void report(Host& host, const char* name, const std::string& why, const std::string& traceback) {
  host.options().metrics->lua_errors.add();
  host.logger().error("callback failed", log::field("callback", name), log::field("error", why));
  if (!traceback.empty()) host.logger().text(log::Level::Error, name, traceback);
}

}  // namespace

event::Task<> call_in_background(Host& host, const char* name, int function) {
  lua::Call call{host.state(), name};
  bool in_time = true;
  const bool over = call.start([function](lua_State* L) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, function);
    return 1;
  });
  if (!over) {
    auto rest = call.finish();
    in_time = co_await event::within(host.state().loop(), host.settings().callback_timeout,
                                     std::move(rest));
  }
  if (!in_time) {
    report(host, name, "callback exceeded callback_timeout", {});
  } else if (call.failed()) {
    if (call.failure().aborted) host.options().metrics->lua_aborts.add();
    report(host, name, call.failure().message, call.failure().traceback);
  }
}

}  // namespace perilune::script
