#include "script/hooks.hh"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "event/first_of.hh"
#include "log/logger.hh"
#include "lua/class.hh"
#include "script/host.hh"
#include "script/login.hh"
#include "util/scope_exit.hh"

namespace perilune::script {

namespace {

constexpr Callback kOnConnect{"on_connect", stats::Callback::OnConnect, true, kErr};
constexpr Callback kTcpOnConnect{"on_connect", stats::Callback::OnConnect, false,
                                 kConnect | kFanout | kErr};
constexpr Callback kOnLogin{"on_login", stats::Callback::OnLogin, false,
                            kConnect | kServe | kErr};
constexpr Callback kOnHandshakeResponse{"on_handshake_response", stats::Callback::OnLogin, false,
                                        kConnect | kServe | kErr, true, false};
constexpr Callback kOnCommandPhase{"on_command_phase", stats::Callback::OnCommandPhase, true,
                                   kErr};
constexpr Callback kOnDisconnect{"on_disconnect", stats::Callback::OnDisconnect, true};

// All that a client learns of a mistake in the script.
constexpr const char* kClientMessage = "Lua error";

// Zero: there is none.
int index_of_result(const Callback& callback, const lua::Call& call) noexcept {
  return callback.last_counts ? call.result_count() : std::min(call.result_count(), 1);
}

bool is_up_to_function(const session::ConnectTo& decision) noexcept {
  return decision.cluster && decision.cluster->settings().by_function;
}

// While the client is asked its time counts, not the callback's.
class ClientsTurn {
 public:
  explicit ClientsTurn(event::Countdown* callback) : callback_(callback) {
    if (callback_ != nullptr) callback_->pause();
  }
  ClientsTurn(const ClientsTurn&) = delete;
  ClientsTurn& operator=(const ClientsTurn&) = delete;
  ~ClientsTurn() {
    if (callback_ != nullptr) callback_->resume();
  }

 private:
  event::Countdown* callback_;
};

}  // namespace

SessionHooks::SessionHooks(std::shared_ptr<Host> host, session::Session& session,
                           const Handler& handler)
    : host_(std::move(host)), session_(session), handler_(handler) {}

SessionHooks::~SessionHooks() {
  if (link_) *link_ = nullptr;
  host_->state().unref(client_);
}

bool SessionHooks::has_on_connect() const noexcept { return handler_.on_connect >= 0; }
bool SessionHooks::has_on_command_phase() const noexcept { return handler_.on_command_phase >= 0; }
bool SessionHooks::has_on_disconnect() const noexcept { return handler_.on_disconnect >= 0; }

event::Task<session::Decision> SessionHooks::on_connect() {
  const bool is_tcp = session_.listener().declaration.protocol == session::Protocol::Tcp;
  return ask(is_tcp ? kTcpOnConnect : kOnConnect, handler_.on_connect);
}

event::Task<session::Decision> SessionHooks::on_login(session::Login login,
                                                      session::Challenger& challenger) {
  login_ = std::make_unique<session::Login>(std::move(login));
  challenger_ = &challenger;
  proof_ = Proof::None;
  const Callback& callback = handler_.is_myproxy ? kOnHandshakeResponse : kOnLogin;
  session::Decision decision = co_await ask(callback, handler_.on_login);
  login_.reset();
  challenger_ = nullptr;
  login_table_ = nullptr;
  co_return decision;
}

SessionHooks* SessionHooks::of_current(lua_State* L) noexcept {
  const lua::Call* const call = lua::State::of(L).current();
  return call != nullptr ? static_cast<SessionHooks*>(call->owner()) : nullptr;
}

Belongings& SessionHooks::belongings() {
  if (!belongings_) belongings_ = std::make_unique<Belongings>();
  return *belongings_;
}

SessionHooks& SessionHooks::of_login(lua_State* L, int index) {
  auto* const hooks = of_current(L);
  const bool same = hooks != nullptr && hooks->challenger_ != nullptr &&
                    hooks->login_table_ == lua_topointer(L, index);
  if (!same) throw lua::Error("Stale object");
  return *hooks;
}

event::Task<bool> SessionHooks::verify(std::optional<auth::Secret> secret) {
  const ClientsTurn turn{time_left_};
  const bool right = co_await challenger_->verify(std::move(secret));
  proof_ = right ? Proof::Given : Proof::Refused;
  co_return right;
}

event::Task<auth::Secret> SessionHooks::read_password() {
  const ClientsTurn turn{time_left_};
  auth::Secret password = co_await challenger_->read_password();
  if (proof_ == Proof::None) proof_ = Proof::Given;
  co_return password;
}

event::Task<session::Decision> SessionHooks::on_command_phase() {
  return ask(kOnCommandPhase, handler_.on_command_phase);
}

event::Task<> SessionHooks::on_disconnect() { co_await ask(kOnDisconnect, handler_.on_disconnect); }

const SessionLink& SessionHooks::link() {
  if (!link_) link_ = std::make_shared<SessionHooks*>(this);
  return link_;
}

void SessionHooks::keep_client(lua_State* L) {
  if (client_ >= 0) return lua_pop(L, 1);
  client_ = luaL_ref(L, LUA_REGISTRYINDEX);
}

int SessionHooks::push_call(lua_State* L, int function) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, function);
  push_client(L, *this, link());
  if (!login_) return 2;
  push_login(L, *login_);
  login_table_ = lua_topointer(L, -1);
  return 3;
}

event::Task<session::Decision> SessionHooks::ask(const Callback& callback, int function) {
  if (function < 0) co_return session::Proceed{};
  lua::Call call{host_->state(), callback.name};
  call.set_owner(this);
  bool in_time = true;
  CallbackTime time{session_.metrics().callbacks, callback.counted};
  const bool over = call.start([this, function](lua_State* L) { return push_call(L, function); });
  if (!over) in_time = co_await finish_in_time(call);
  time.stop();
  session::Decision decision = decide(callback, call, in_time);
  auto* const target = std::get_if<session::ConnectTo>(&decision);
  if (target == nullptr || !is_up_to_function(*target)) co_return decision;
  const bool chosen = co_await choose_node(call, index_of_result(callback, call), *target);
  if (!chosen) co_return failure();
  co_return decision;
}

event::Task<bool> SessionHooks::finish_in_time(lua::Call& call) {
  event::Loop& loop = session_.loop();
  event::Latch expired{loop};
  event::Countdown time_left{loop, host_->settings().callback_timeout,
                             [&expired] { expired.set(); }};
  time_left_ = &time_left;
  waiting_name_ = call.name();
  const ScopeExit forgotten([this] {
    time_left_ = nullptr;
    waiting_name_ = nullptr;
  });
  event::Task<> rest = call.finish();
  const bool finished = co_await event::FirstOf<void>(rest, expired);
  if (finished) rest.take();
  co_return finished;
}

std::optional<const Action*> SessionHooks::result_of(const Callback& callback,
                                                     const lua::Call& call, bool in_time) {
  if (!in_time) return report(callback, "callback exceeded callback_timeout");
  if (call.failed()) return report(callback, call.failure());
  const int count = call.result_count();
  if (count > 1 && !callback.last_counts) {
    return report(callback, fmt::format("returned {} values; only one can count", count));
  }
  lua_State* const results = call.results();
  const int index = index_of_result(callback, call);
  const bool nothing = index == 0 || lua_isnil(results, index);
  if (nothing && callback.may_proceed) return nullptr;
  // Reading needs room on a stack that must not grow here.
  if (count > LUA_MINSTACK / 2) return report(callback, "returned too many values");
  const Action* const action = nothing ? nullptr : lua::Class<Action>::test(results, index);
  if (action != nullptr && callback.allows(*action)) return action;
  const char* what = nothing ? "nothing" : luaL_typename(results, index);
  if (action != nullptr) what = kActionNames[action->what.index()];
  return report(callback,
                fmt::format("returned {}; expected: {}", what, callback.expectation()));
}

session::Decision SessionHooks::decide(const Callback& callback, const lua::Call& call,
                                       bool in_time) {
  const auto result = result_of(callback, call, in_time);
  if (!result) return failure();
  if (*result == nullptr) return session::Proceed{};
  if (const auto* refusal = std::get_if<session::Refuse>(&(*result)->what)) return *refusal;
  if (const auto* fan_out = std::get_if<session::FanOut>(&(*result)->what)) return *fan_out;
  return admit(callback, **result);
}

// Who is let in by the script's own word must be somebody whom something has checked.
session::Decision SessionHooks::admit(const Callback& callback, const Action& action) {
  const auto* const connect = std::get_if<ConnectAction>(&action.what);
  const bool unchecked =
      connect != nullptr ? connect->unchecked : std::get<ServeAction>(action.what).unchecked;
  const char* const name = kActionNames[action.what.index()];
  if (proof_ == Proof::Refused && !unchecked) {
    report(callback, fmt::format("login:verify has returned false; say unchecked = true in the "
                               "options of {} to let the client in nevertheless",
                               name));
    return session::Refuse{};  // the client has only its password wrong
  }
  const bool by_script = connect == nullptr || connect->logs_in_by_itself();
  const bool checked = !by_script || is_checked() || unchecked;
  if (!checked && callback.is_checked) {
    report(callback,
           fmt::format("nothing has checked this client's password, but {} lets it in by the "
                       "script's own word; say unchecked = true in its options to let everybody in",
                       name));
    return failure();
  }
  if (!checked) host_->warn_unchecked(handler_, session_);
  if (connect == nullptr) return session::Serve{};
  session::ConnectTo decision = connect->decision();
  prepare_wish(*connect, decision);
  return decision;
}

bool SessionHooks::is_checked() const {
  const net::Tls* const tls = session_.client_tls();
  const bool showed_certificate = tls != nullptr && tls->has_client_certificate();
  return session_.is_vouched_for() || showed_certificate || proof_ == Proof::Given;
}

std::nullopt_t SessionHooks::report(const Callback& callback, const std::string& why,
                                    const std::string& traceback, bool aborted) {
  session_.metrics().lua_errors.add();
  session_.metrics().callbacks.fail(callback.counted, aborted);
  const std::string name = session_.name();
  const log::Logger logger = session_.services().logger.with(name);
  logger.error("callback failed", log::field("callback", callback.name), log::field("error", why));
  if (!traceback.empty()) logger.text(log::Level::Error, callback.name, traceback);
  return std::nullopt;
}

std::nullopt_t SessionHooks::report(const Callback& callback, const lua::Call::Failure& failure) {
  if (failure.aborted) session_.metrics().lua_aborts.add();
  return report(callback, failure.message, failure.traceback, failure.aborted);
}

session::Refuse SessionHooks::failure() {
  session::Refuse refusal;
  refusal.message = kClientMessage;
  refusal.is_failure = true;
  return refusal;
}

}  // namespace perilune::script
