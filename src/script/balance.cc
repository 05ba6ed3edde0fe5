// A script's function that chooses the node of a cluster.

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

#include "lua/class.hh"
#include "script/cluster.hh"
#include "script/hooks.hh"
#include "script/host.hh"

namespace perilune::script {

namespace {

constexpr Callback kBalance{"balance", stats::Callback::Balance, true};

// A value of a finished call, where there is room to look into it.
void push_copy(lua_State* L, lua_State* from, int index) {
  lua_pushvalue(from, index);
  lua_xmove(from, L, 1);
}

}  // namespace

void SessionHooks::prepare_wish(const ConnectAction& action, session::ConnectTo& decision) const {
  if (!decision.cluster) return;
  decision.wish.read_only = action.read_only;
  decision.wish.key = session_.account;
  // Those who come from myproxy know no other key than the account.
  if (session_.account.empty() && !handler_.is_myproxy) decision.wish.key = session_.user.text();
  if (action.key) decision.wish.key = *action.key;
  const auto source = session_.peer().host_bytes();
  decision.wish.source.assign(source.begin(), source.end());
}

event::Task<bool> SessionHooks::choose_node(const lua::Call& decided, int action,
                                            session::ConnectTo& decision) {
  const cluster::Members nodes = decision.cluster->usable(decision.wish);
  if (nodes.empty()) co_return true;
  lua::Call call{host_->state(), kBalance.name};
  call.set_owner(this);
  bool in_time = true;
  CallbackTime time{session_.metrics().callbacks, kBalance.counted};
  const bool over = call.start([&](lua_State* L) {
    push_copy(L, decided.results(), action);
    lua_getfenv(L, -1);
    lua_rawgeti(L, -1, 1);
    lua_replace(L, -3);
    lua_pop(L, 1);
    push_client(L, *this, link());
    push_nodes(L, nodes);
    return 3;
  });
  if (!over) in_time = co_await finish_in_time(call);
  time.stop();
  co_return take_choice(call, in_time, nodes, decision);
}

// No node is the same as no function: the cluster's policy decides.
bool SessionHooks::take_choice(const lua::Call& call, bool in_time, const cluster::Members& nodes,
                               session::ConnectTo& decision) {
  if (!in_time) report(kBalance, "callback exceeded callback_timeout");
  if (in_time && call.failed()) report(kBalance, call.failure());
  if (!in_time || call.failed()) return false;
  if (call.result_count() == 0 || lua_isnil(call.results(), 1)) return true;
  std::string problem;
  const cluster::Member* chosen = nullptr;
  try {
    host_->state().protect([&](lua_State* L) {
      push_copy(L, call.results(), 1);
      chosen = find_node(L, lua_gettop(L), nodes, protocol_of(*decision.cluster));
    });
    if (chosen == nullptr) problem = "chose a node that was not offered";
  } catch (const std::exception& error) {
    problem = fmt::format("returned {}: {}", luaL_typename(call.results(), 1), error.what());
  }
  if (chosen != nullptr) {
    decision.wish.preferred = chosen->settings.endpoint;
  } else {
    report(kBalance, problem);
  }
  return chosen != nullptr;
}

}  // namespace perilune::script
